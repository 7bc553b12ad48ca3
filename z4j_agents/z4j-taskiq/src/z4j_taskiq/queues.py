"""What waits in taskiq's queues, and what its result backend knows of a task."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from taskiq import AsyncBroker
from taskiq.exceptions import TaskRejectedError
from taskiq.result import TaskiqResult
from taskiq.result_backends.dummy import DummyResultBackend
from z4j_core.engine import Engine, Target, verb
from z4j_core.safety import guard
from z4j_core.wire import Kind, QueueFacts, Source

from z4j_taskiq.facts import ENGINE, QUEUE, attempt_of, identity, queue_of, reason, without_nothing
from z4j_taskiq.hooks import Hooks
from z4j_taskiq.inlet import Inlet
from z4j_taskiq.stores import Store, Waiting

#: Seconds for which the loop of the worker is waited for; a task that blocks it blocks what is asked of it too.
PATIENCE: Final = 2.0
#: Ids that taskiq makes, and those that we make for retries.
_MADE: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T")


class Queues(Engine):
    broker: AsyncBroker
    hooks: Hooks | None
    inlet: Inlet | None
    store: Store | None
    loop: asyncio.AbstractEventLoop | None

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the worker's loop do it: its connections belong to that loop."""
        if self.loop is None or self.loop.is_closed():
            work.close()
            raise LookupError("this process is not a worker")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(PATIENCE)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    @verb(
        note="the list's length; of a stream, what its group has not been given yet, and what it has not acknowledged"
    )
    def queues(self) -> Iterable[QueueFacts]:
        return self.wait(self._measured())

    async def _measured(self) -> list[QueueFacts]:
        if self.store is None:
            return []
        found = [await self.store.measured(name) for name in self._names()]
        if self.inlet is not None and self.inlet.paused:
            found[0]["paused"] = True
        return found

    def _names(self) -> list[str]:
        """The queue of this worker first, then those that its tasks are sent to."""
        others = getattr(self.broker, "additional_streams", None) or ()
        sent_to = (task.labels.get(QUEUE) for task in self.broker.get_all_tasks().values())
        return list(dict.fromkeys([queue_of(self.broker), *others, *(str(name) for name in sent_to if name)]))

    @verb(note="reads the list or the stream; a message that a worker has taken is not in it")
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        return self.wait(self._listed(queue, limit))

    async def _listed(self, queue: str, limit: int) -> list[dict[str, Any]]:
        if self.store is None:
            return []
        return [event async for one in self.store.waiting(queue, limit) if (event := self._waits(one))]

    @verb(note="reads the result backend, and the queue; results say nothing of when, and not what the arguments were")
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        return self.wait(self._known(targets))

    async def _known(self, targets: Sequence[Target]) -> list[dict[str, Any]]:
        wanted = {target.task_id: target for target in targets}
        ended = {one: event for one, target in wanted.items() if (event := await self._ended(target))}
        left = wanted.keys() - ended.keys()
        if self.store is None:
            return list(ended.values())
        waiting = []
        for queue in {wanted[one].queue or queue_of(self.broker) for one in left}:
            async for one in self.store.waiting(queue):
                if one.message.task_id in left and (event := self._waits(one)):
                    waiting.append(event)
        return [*ended.values(), *waiting]

    @property
    def has_results(self) -> bool:
        return not isinstance(self.broker.result_backend, DummyResultBackend)

    async def is_ended(self, task_id: str) -> bool:
        if not self.has_results or not self._is_task(task_id):
            return False
        return bool(await self.broker.result_backend.is_result_ready(task_id))

    def _is_task(self, task_id: str) -> bool:
        """Without a prefix the id of a task is the very key of its result: whoever names another key would have us
        open what is nobody's result, and opening it may unpickle it.
        """
        if getattr(self.broker.result_backend, "prefix_str", None) or _MADE.fullmatch(task_id):
            return True
        return self.host is not None and self.host.original(task_id) is not None

    async def _ended(self, target: Target) -> dict[str, Any] | None:
        """A backend that gives a result away once is not asked: its result is somebody's."""
        if self.host is None or getattr(self.broker.result_backend, "keep_results", True) is False:
            return None
        with guard("taskiq.lookup"):
            if not await self.is_ended(target.task_id):
                return None
            result = await self.broker.result_backend.get_result(target.task_id)
            event: dict[str, Any] = {"engine": ENGINE, "task_id": target.task_id, "name": target.name}
            event |= {"queue": target.queue, "source": Source.RECONCILE}
            event |= {"attempt": attempt_of(result.labels), "runtime_ms": result.execution_time * 1000}
            return without_nothing({**event, **self._end(result)})
        return None

    def _end(self, result: TaskiqResult[Any]) -> dict[str, Any]:
        """A result does not say of which task it is."""
        assert self.host is not None
        redactor = self.host.redactor.unsure()
        if not result.is_err:
            return {"kind": Kind.TASK_SUCCEEDED, "result": redactor.value(result.return_value)[0]}
        if isinstance(result.error, asyncio.CancelledError):
            return {"kind": Kind.TASK_CANCELLED}
        if _is_rejection(result.error):
            return {"kind": Kind.TASK_REJECTED}
        if result.error is None:
            return {"kind": Kind.TASK_FAILED}
        why = reason(result.labels, result.execution_time * 1_000_000, result.error)
        return {"kind": Kind.TASK_FAILED, "error": redactor.error(result.error, why)}

    def _waits(self, waiting: Waiting) -> dict[str, Any] | None:
        with guard("taskiq.peek"):
            arguments = self.hooks.arguments(waiting.message) if self.hooks is not None else {}
            event = {"kind": Kind.TASK_ENQUEUED, **identity(self.broker, waiting.message), **arguments}
            return without_nothing({**event, "queue": waiting.queue, "ts": waiting.at, "source": Source.RECONCILE})
        return None


def _is_rejection(error: BaseException | None) -> bool:
    """taskiq cannot make its own exception again out of a stored result: it puts the name of the class into another."""
    return isinstance(error, TaskRejectedError) or str(error).startswith(f"{TaskRejectedError}(")
