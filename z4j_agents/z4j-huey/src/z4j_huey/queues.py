"""What waits in Huey's queue and schedule, what its result store knows, and what in its settings will hurt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from huey import Huey, MemoryHuey
from huey.api import Task
from huey.utils import Error as StoredError
from z4j_core.engine import Advice, Engine, Target, verb
from z4j_core.safety import guard
from z4j_core.wire import Kind, QueueFacts, Source

from z4j_huey.facts import ENGINE, identity, micros, stored_error, without_nothing
from z4j_huey.hooks import Hooks

#: How far into the queue and the schedule a task is looked for.
DEEP = 1000


class Queues(Engine):
    huey: Huey
    hooks: Hooks | None
    consumer: Any

    @verb(note="counted by the storage; one instance of Huey is one queue")
    def queues(self) -> Iterable[QueueFacts]:
        facts: dict[str, Any] = {"name": self.huey.name, "depth": self.huey.pending_count()}
        facts |= {"delayed": self.huey.scheduled_count(), "in_flight": len(self.runs()), "exact": True}
        return [cast(QueueFacts, facts)]

    @verb(note="reads the storage's queue and schedule")
    def peek(self, queue: str, limit: int) -> Iterable[Mapping[str, Any]]:
        if queue != self.huey.name:
            return []
        waiting = [event for task in self.waiting(limit) if (event := self._waits(task))]
        return waiting[:limit]

    @verb(note="reads the result without taking it, the queue and the schedule")
    def lookup(self, targets: Sequence[Target]) -> Iterable[Mapping[str, Any]]:
        wanted = {target.task_id: target for target in targets}
        ended = {one: event for one, target in wanted.items() if (event := self._ended(target))}
        waiting = {task.id: task for task in self.waiting(DEEP) if task.id in wanted and task.id not in ended}
        return [*ended.values(), *(event for task in waiting.values() if (event := self._waits(task)))]

    def waiting(self, limit: int) -> list[Task]:
        """Tasks that may be taken now, then those that wait for their time. What no one here knows is left out."""
        storage = self.huey.storage
        return [
            task
            for blob in [*storage.enqueued_items(limit), *storage.scheduled_items(limit)]
            if (task := self._opened(blob)) is not None
        ]

    def _opened(self, blob: bytes) -> Task | None:
        with guard("huey.waiting"):
            return self.huey.deserialize_task(blob)
        return None

    def _waits(self, task: Task) -> dict[str, Any] | None:
        with guard("huey.peek"):
            arguments = self.hooks.arguments(task) if self.hooks is not None else {}
            event = {"kind": Kind.TASK_ENQUEUED, **identity(self.huey, task), **arguments, "source": Source.RECONCILE}
            return without_nothing(event | {"eta": micros(self.huey, task.eta)})
        return None

    def _ended(self, target: Target) -> dict[str, Any] | None:
        """An end is there only while its result is: results are taken out when somebody reads them."""
        event = {"engine": ENGINE, "task_id": target.task_id, "queue": self.huey.name, "source": Source.RECONCILE}
        with guard("huey.lookup"):
            blob = self.huey.get_raw(target.task_id, peek=True)
            if not isinstance(blob, bytes):
                return None
            result = self.huey.serializer.deserialize(blob)
            if isinstance(result, StoredError):
                return event | {"kind": Kind.TASK_FAILED, "error": stored_error(result.metadata)}
            told = self.hooks.host.redactor.unsure().value(result)[0] if self.hooks is not None else ""
            return event | {"kind": Kind.TASK_SUCCEEDED, "result": told}
        return None

    def runs(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    @verb(note="reads the settings of the instance and its consumer")
    def advice(self) -> Iterable[Advice]:
        if self.huey.immediate:
            yield Advice(
                "immediate", "Tasks run inside the call that sends them.", "Set immediate=False in production."
            )
        if isinstance(self.huey, MemoryHuey):
            yield Advice("memory", "Tasks are kept in the memory of one process.", "Use RedisHuey or SqliteHuey.")
        if self.huey.results and not type(self.huey.storage).__name__.endswith("ExpireStorage"):
            yield Advice(
                "results-for-ever",
                "A result that nobody reads stays in the storage for ever.",
                "Set results=False, or use RedisExpireHuey with expire_time.",
            )
        timed = [name for name, task in self.huey._registry._registry.items() if getattr(task, "default_timeout", None)]
        if timed and self.consumer is not None and self.consumer.worker_type == "thread":
            yield Advice(
                "timeout-ignored",
                f"{timed[0]} has a timeout, which workers that are threads ignore.",
                "Start the consumer with -k process, or check task.is_timed_out in the task.",
            )
