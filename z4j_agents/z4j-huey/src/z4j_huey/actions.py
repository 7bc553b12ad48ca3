"""What people may ask of Huey's tasks, queue and consumer. It runs in the agent's thread of the consumer's process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from huey.api import Task
from z4j_core.engine import Answer, Target, emulated, verb
from z4j_core.verbs import VERBS
from z4j_core.wire import Kind, Outcome, Source

from z4j_huey import sending
from z4j_huey.facts import name_of
from z4j_huey.forked import Forked
from z4j_huey.queues import Queues

PAUSE: Final = "huey.pause."
#: Seconds to wait for a thread that was told to leave; one that is busy leaves later.
LEAVES: Final = 2.0
#: Seconds between two looks of a worker at what it may take.
LOOKS_EVERY: Final = 1.0


class Actions(Queues):
    lacks: ClassVar[Mapping[str, str]] = {
        "requeue": "Huey keeps no dead letters: retry the failed task.",
        "move": "One instance of Huey is one queue, and each has tasks of its own.",
        "autoscale": "Huey's consumer keeps the number of workers it was started with.",
        "restart_pool": "Use restart: the consumer starts itself anew.",
        "rate_limit": "Huey's rate limits stand in the code of a task.",
        "time_limit": "A task's timeout is set where it is sent, and threads ignore it.",
    }
    leaving: set[int]
    #: Of a consumer whose workers are processes.
    forked: Forked | None
    hello_task: Any

    def obstacle(self, verb: str) -> str:
        if why := self.lacks.get(verb, ""):
            return why
        if self.consumer is None:
            only = verb in VERBS and verb != "hello"
            return "Only a consumer can do this; this process sends tasks." if only else ""
        if verb in ("grow", "shrink") and self.consumer.worker_type != "thread":
            return f"Its workers are of kind {self.consumer.worker_type}; only threads can be added and taken away."
        return ""

    def forks(self) -> bool:
        return self.consumer is not None and self.consumer.worker_type == "process"

    # On a task.

    @emulated(note="sends the original task again, under a new id")
    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, None)

    @emulated(note="sends the same task with other arguments, under a new id")
    def retry_with(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self._again(target, params)

    def _again(self, target: Target, given: Mapping[str, Any] | None) -> Answer:
        assert self.host is not None
        blob = self.host.original(target.task_id)
        if blob is None:
            return Answer(Outcome.ARGS_UNAVAILABLE, "No original of this task is kept here; Huey itself keeps none.")
        task = self.huey.deserialize_task(blob)
        task.eta = task.expires_resolved = None
        if given is not None:
            task.args, task.kwargs = tuple(given.get("args") or ()), dict(given.get("kwargs") or {})
        return self._make(target, task)

    @verb(note="sends a task that this instance has registered")
    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        kind = self.huey._registry._registry.get(target.name)
        if kind is None:
            return Answer(Outcome.NOT_FOUND, "No task of that name is registered in this instance of Huey.")
        if target.queue not in ("", self.huey.name):
            return Answer(Outcome.NOT_FOUND, f"This consumer's queue is {self.huey.name}.")
        if self.huey.immediate:
            return Answer(Outcome.UNSUPPORTED, "The setting immediate is on: it would run in the agent.")
        return self._make(target, kind(tuple(params.get("args") or ()), dict(params.get("kwargs") or {})))

    def _make(self, target: Target, task: Task) -> Answer:
        assert self.host is not None
        task.id = target.new_task_id()
        task.revoke_id = f"r:{task.id}"
        sending.send(self.huey, target, task)
        self.host.keep(task.id, self.huey.serialize_task(task))
        self._tell(Kind.TASK_ENQUEUED, task, retry_of=target.task_id)
        return Answer(Outcome.DONE, new_task_id=task.id)

    def landed(self, target: Target) -> bool | None:
        """In Redis and SQLite its mark says so. Of another storage one that waits, or has left a result, is known."""
        sent = sending.has_sent(self.huey, target)
        if sent is None and list(self.lookup([replace(target, task_id=target.new_task_id())])):
            return True
        return sent

    @verb(note="a waiting task is dropped when it is its turn; in a running one an exception is raised")
    def cancel(self, target: Target, params: Mapping[str, Any]) -> Answer:
        running = next((one for one in self.runs() if one["task_id"] == target.task_id), None)
        if running is None:
            if self.huey.storage.has_data_for_key(target.task_id):
                return Answer(Outcome.ALREADY_FINAL, "The task has already ended.")
            self.huey.revoke_by_id(target.task_id)
            return Answer(Outcome.REQUESTED, "It will be dropped when it is its turn.")
        assert self.hooks is not None
        told = self.forked.stop(running) if self.forked is not None else self.hooks.turns.stop(target.task_id)
        if not told:
            return Answer(Outcome.ALREADY_FINAL, "The task has just ended.")
        return Answer(
            Outcome.REQUESTED, "An exception is raised in it if it still runs; a call that blocks in C ends first."
        )

    def runs(self) -> list[dict[str, Any]]:
        """What runs here. Forked workers write it down for this process to see."""
        if self.hooks is None:
            return []
        if self.forked is not None:
            return self.forked.runs()
        return [one for one in list(self.hooks.running.values()) if "thread" in one]

    def _tell(self, kind: Kind, task: Task, **more: Any) -> None:
        assert self.hooks is not None
        self.hooks.emit(kind, task, source=Source.ACTION, **more)

    # On the queue.

    @verb(note="empties the queue; scheduled tasks and results stay")
    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        if target.queue != self.huey.name:
            return Answer(Outcome.NOT_FOUND, f"This consumer's queue is {self.huey.name}.")
        waiting = [task for blob in self.huey.storage.enqueued_items() if (task := self._opened(blob)) is not None]
        count = self.huey.pending_count()
        self.huey.storage.flush_queue()
        for task in waiting:
            self._tell(Kind.TASK_CANCELLED, task)
        return Answer(Outcome.DONE, f"{count} waiting tasks were thrown away; scheduled ones stay.")

    @emulated(note="this consumer takes nothing more; what its workers have begun they finish")
    def pause(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        self.host.state.put(PAUSE + self.huey.name, b"1")
        # A worker that waits for a task right now still takes the one that comes.
        time.sleep(LOOKS_EVERY + float(getattr(self.huey.storage, "read_timeout", 0) or 0))
        return Answer(Outcome.DONE)

    @emulated(note="this consumer takes tasks again")
    def resume(self, target: Target, params: Mapping[str, Any]) -> Answer:
        assert self.host is not None
        self.host.state.delete(PAUSE + self.huey.name)
        return Answer(Outcome.DONE)

    # On the consumer.

    @emulated(note="starts more threads in the consumer")
    def grow(self, target: Target, params: Mapping[str, Any]) -> Answer:
        for _ in range(_number(params)):
            worker = self.consumer._create_worker()
            thread = self.consumer._create_process(worker, f"Worker-{len(self.consumer.worker_threads) + 1}")
            thread.start()
            self.consumer.worker_threads.append((worker, thread))
        return Answer(Outcome.DONE, f"{len(self.consumer.worker_threads)} threads.")

    @emulated(note="threads leave when they have done what they run")
    def shrink(self, target: Target, params: Mapping[str, Any]) -> Answer:
        threads = self.consumer.worker_threads
        going = [threads.pop() for _ in range(min(_number(params), len(threads) - 1))]
        self.leaving |= {thread.ident for _, thread in going}
        for _, thread in going:
            thread.join(LEAVES)
        return Answer(Outcome.DONE, f"{len(threads)} threads.")

    def may_leave(self) -> bool:
        """Asked by each worker before it takes a task."""
        if not self.leaving or threading.get_ident() not in self.leaving:
            return False
        self.leaving.discard(threading.get_ident())
        return True

    @emulated(note="ends after the tasks that run, and starts itself anew")
    def restart(self, target: Target, params: Mapping[str, Any]) -> Answer:
        os.kill(os.getpid(), signal.SIGHUP)
        return Answer(Outcome.REQUESTED, "It ends when its tasks are done, and starts itself anew.")

    @emulated(note="ends after the tasks that run; coming back is its supervisor's business")
    def stop(self, target: Target, params: Mapping[str, Any]) -> Answer:
        os.kill(os.getpid(), self.consumer._graceful_sig if hasattr(self.consumer, "_graceful_sig") else signal.SIGINT)
        return Answer(Outcome.REQUESTED, "It ends when its tasks are done.")

    @verb(note="sends a task of ours")
    def hello(self, target: Target, params: Mapping[str, Any]) -> Answer:
        task = self.hello_task.s()
        task.id = target.new_task_id()
        task.revoke_id = f"r:{task.id}"
        if self.host is not None and self.host.original(task.id) is None:
            self.huey.enqueue(task)
        return Answer(Outcome.DONE, name_of(task), task.id)


def _number(params: Mapping[str, Any]) -> int:
    by = params.get("by", 1)
    return by if isinstance(by, int) and 0 < by <= 100 else 1
