"""What people may ask of taskiq's tasks, queues and workers: asked in the agent's thread, done in the worker's loop."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from taskiq import BrokerMessage, TaskiqMessage
from taskiq.kicker import AsyncKicker
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.verbs import READS
from z4j_core.wire import Kind, Outcome, Source

from z4j_taskiq.facts import QUEUE, REQUEUES, RETRIES, queue_of
from z4j_taskiq.inlet import PAUSE
from z4j_taskiq.queues import Queues
from z4j_taskiq.workers import Slots, master

HELLO: Final = "z4j.hello"
_NO_QUEUE: Final = "There is no such queue, or Redis keeps something else under that name; nothing was changed."
_ALONE: Final = "This worker runs inside another program, which alone can start and end it; see `taskiq worker`."


class Actions(Queues):
    lacks: ClassVar[Mapping[str, str]] = {
        "requeue": "taskiq keeps no dead letters: retry the failed task.",
        "autoscale": "A worker of taskiq keeps the number of slots it was started with; use grow and shrink.",
        "restart_pool": "A worker runs its tasks in its own loop and threads; use restart.",
        "rate_limit": "taskiq has no rate limits.",
        "time_limit": "A task's timeout is a label that is set where it is sent.",
    }
    slots: Slots | None

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if self.store is None and verb in ("queues", "peek", "purge", "move"):
            return f"{type(self.broker).__name__} does not show what waits in it; taskiq-redis's lists and streams do."
        if verb == "lookup" and self.store is None and not self.has_results:
            return "This broker has no result backend."
        if verb in READS:
            is_sender = self.broker.is_scheduler_process and self.loop is None
            return "Only a worker looks into its queues; this process sends what is due." if is_sender else ""
        if self.loop is None:
            return "Only a worker can do this; this process sends tasks."
        if verb in ("grow", "shrink") and self.slots is None:
            return "Start the worker with --receiver z4j_taskiq:Receiver and a limit of tasks that run at once."
        return _ALONE if verb in ("restart", "stop") and master() is None else ""

    # On a task.

    @emulated(note="sends the original message again, under a new id")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @verb(note="sends the same task with other arguments, under a new id")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, params)

    def _again(self, target: Target, given: Mapping[str, Any] | None) -> Answer:
        assert self.host is not None
        blob = self.host.original(target.task_id)
        if blob is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "No original of this task is kept here; taskiq itself keeps none.")
        message = self.broker.formatter.loads(blob)
        message.task_id = target.new_task_id()
        _unlabel(message, RETRIES, REQUEUES, "schedule_id")
        if given is not None:
            message.args, message.kwargs = list(given.get("args") or ()), dict(given.get("kwargs") or {})
        packed = self.broker.formatter.dumps(message)
        # As the broker takes it, past the middlewares: they have had their say when it was sent first.
        self.wait(self._kick(target, packed))
        self.host.keep(message.task_id, packed.message)
        self._tell(Kind.TASK_ENQUEUED, message, retry_of=target.task_id)
        return Answer(Outcome.DONE, new_task_id=message.task_id)

    @verb(note="sends a task that this broker has registered, the way users send it")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task = self.broker.find_task(target.name)
        if task is None:
            return Answer(Outcome.NOT_FOUND, "No task of that name is registered with this broker.")
        labels = {**task.labels, **({QUEUE: target.queue} if target.queue else {})}
        sent: list[BrokerMessage] = []

        async def kick(packed: BrokerMessage) -> None:
            await self._kick(target, packed)
            sent.append(packed)

        twin: Any = copy.copy(self.broker)
        twin.kick = kick
        kicker: AsyncKicker[Any, Any] = AsyncKicker(target.name, twin, labels).with_task_id(target.new_task_id())
        self.wait(kicker.kiq(*(params.get("args") or ()), **(params.get("kwargs") or {})))
        message = self.broker.formatter.loads(sent[0].message)
        self.host.keep(message.task_id, sent[0].message)
        self._tell(Kind.TASK_ENQUEUED, message)
        return Answer(Outcome.DONE, new_task_id=message.task_id)

    async def _kick(self, target: Target, packed: BrokerMessage) -> None:
        if self.store is None or not self.store.sends_as_its_library():
            await self.broker.kick(packed)
            return
        queue = str(packed.labels.get(QUEUE) or queue_of(self.broker))
        await self.store.send_once(target, queue, packed.message)

    def landed(self, target: Target) -> bool | None:
        """In Redis its mark says so. Elsewhere one is known that came to a worker of this host, or has a result."""
        assert self.host is not None
        if self.store is not None and self.store.sends_as_its_library():
            return self.wait(self.store.has_sent(target))
        seen = self.host.original(target.new_task_id()) is not None
        return True if seen or self.wait(self.is_ended(target.new_task_id())) else None

    @emulated(
        note="a waiting task is taken out, or dropped when it is its turn; a running coroutine is cancelled, "
        "a function in a thread is let go and runs on"
    )
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.wait(self._cancel(target))

    async def _cancel(self, target: Target) -> Answer:
        assert self.inlet is not None and self.hooks is not None
        if runs := self.hooks.runs_of(target.task_id):
            self.stop_run(target.task_id)
            if any(run.detached for run in runs):
                return Answer(
                    Outcome.REQUESTED, "It counts as cancelled and is detached: its thread runs on until it returns."
                )
            return Answer(Outcome.REQUESTED, "It is cancelled where it waits next.")
        if self.store is not None:
            waiting = await self.store.found(target.queue or queue_of(self.broker), target.task_id)
            if waiting is not None and await self.store.take(waiting):
                self.hooks.dropped(waiting.message, waiting.raw)
                return Answer(Outcome.DONE, "It was taken out of its queue.")
        if self.hooks.is_ending(target.task_id) or await self.is_ended(target.task_id):
            return Answer(Outcome.ALREADY_FINAL, "The task has already ended.")
        self.inlet.mark(target.task_id)
        return Answer(Outcome.REQUESTED, "It will be dropped when it is its turn, or cancelled where it runs.")

    def stop_run(self, task_id: str) -> None:
        """In the loop."""
        for run in self.hooks.runs_of(task_id) if self.hooks is not None else ():
            if run.task is not None and not run.cancelled:
                run.cancelled = True
                run.task.cancel()

    @emulated(note="a waiting task is taken out of one queue and sent to the other, under its own id")
    def move(self, target: Target, params: Mapping[str, Any]) -> Answer:
        name = str(params.get("queue") or "")
        if not name or name == target.queue:
            return Answer(Outcome.FAILED, "It takes the name of another queue.")
        return self.wait(self._move(target, name))

    async def _move(self, target: Target, name: str) -> Answer:
        assert self.store is not None
        waiting = await self.store.found(target.queue or queue_of(self.broker), target.task_id)
        if waiting is None:
            return Answer(Outcome.NOT_FOUND, "It does not wait in this queue.")
        if await self.store.kind_of(name) not in ("none", self.store.kind):
            return Answer(Outcome.NOT_FOUND, _NO_QUEUE)
        message = self.broker.formatter.loads(waiting.raw)
        _unlabel(message, QUEUE)
        message.labels[QUEUE] = name
        if not await self.store.move(waiting, name, self.broker.formatter.dumps(message).message):
            return Answer(Outcome.NOT_FOUND, "A worker was faster, or another group reads this stream too.")
        self._tell(Kind.TASK_ENQUEUED, message)
        return Answer(Outcome.DONE, f"It waits in {name}.")

    def _tell(self, kind: Kind, message: TaskiqMessage, **more: Any) -> None:
        assert self.hooks is not None
        self.hooks.emit(kind, message, source=Source.ACTION, **self.hooks.arguments(message), **more)

    # On a queue.

    @emulated(note="deletes the list, or moves the stream's group behind what waits; what a worker has taken stays")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.wait(self._purge(target.queue or queue_of(self.broker)))

    async def _purge(self, queue: str) -> Answer:
        assert self.store is not None and self.hooks is not None
        kind = await self.store.kind_of(queue)
        if kind != self.store.kind and (kind != "none" or queue not in self._names()):
            return Answer(Outcome.NOT_FOUND, _NO_QUEUE)
        count = 0
        async for raw in self.store.emptied(queue):
            count += 1
            if (waiting := self.store.opened(queue, raw)) is not None:
                self.hooks.dropped(waiting.message, raw)
        return Answer(Outcome.DONE, f"{count} waiting tasks were thrown away; taskiq keeps no dead letters.")

    @emulated(note="the workers of this machine take nothing more; what they have begun they finish")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._hold(target, held=True)

    @emulated(note="the workers of this machine take tasks again")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._hold(target, held=False)

    def _hold(self, target: Target, *, held: bool) -> Answer:
        assert self.host is not None and self.inlet is not None
        queue = queue_of(self.broker)
        if target.queue not in ("", queue):
            return Answer(Outcome.NOT_FOUND, f"This worker takes from {queue}.")
        if held:
            self.host.state.put(PAUSE + queue, b"1")
        else:
            self.host.state.delete(PAUSE + queue)
        self.wait(self.inlet.look_now())
        return Answer(Outcome.DONE)

    # On this worker.

    @emulated(note="more tasks at once, in the loop of this worker")
    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.slots is not None
        return Answer(Outcome.DONE, f"{self.wait(self.slots.add(_number(params)))} slots.")

    @emulated(note="fewer tasks at once; slots go when what they run has ended")
    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.slots is not None
        return Answer(Outcome.DONE, f"{self.wait(self.slots.take(_number(params)))} slots.")

    @emulated(note="ends after its tasks and is started anew, as are the others that its `taskiq worker` has, in turn")
    def restart(self, target: Target, params: Mapping[str, Any]) -> Answer:
        os.kill(master() or os.getpid(), signal.SIGHUP)
        return Answer(Outcome.REQUESTED, "It ends when its tasks are done, and `taskiq worker` starts another.")

    @emulated(
        note="ends after its tasks, with all that its `taskiq worker` has; coming back is its supervisor's business"
    )
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        os.kill(master() or os.getpid(), signal.SIGTERM)
        return Answer(Outcome.REQUESTED, "It ends when its tasks are done.")

    @verb(note="sends a task of ours")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        task_id = target.new_task_id()
        if self.host.original(task_id) is None:
            labels = {QUEUE: str(params["queue"])} if params.get("queue") else {}
            kicker: AsyncKicker[Any, Any] = AsyncKicker(HELLO, self.broker, labels)
            self.wait(kicker.with_task_id(task_id).kiq())
        return Answer(Outcome.DONE, new_task_id=task_id)


def _unlabel(message: TaskiqMessage, *labels: str) -> None:
    for label in labels:
        message.labels.pop(label, None)
        (message.labels_types or {}).pop(label, None)


def _number(params: Mapping[str, Any]) -> int:
    by = params.get("by", 1)
    return by if isinstance(by, int) and 0 < by <= 1000 else 1
