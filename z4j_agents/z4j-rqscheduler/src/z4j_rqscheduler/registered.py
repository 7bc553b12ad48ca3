"""RQ's own scheduled and repeated jobs: those that wait in a ScheduledJobRegistry for a worker's scheduler.

A schedule's key is the id of its job. A job that repeats leaves the registry for as long as it waits in its queue and
runs, and comes back when it has succeeded: it stays in the list meanwhile. A failed job that waits for its next attempt
is no schedule. The scheduler is a process that a worker forks; both share a page of memory in which it says that it
lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Final, cast

from rq.job import Job
from rq.queue import Queue
from rq.registry import ScheduledJobRegistry
from rq.scheduler import RQScheduler as Loop
from z4j_core.patches import Patches
from z4j_core.safety import guard
from z4j_core.scheduler import Host
from z4j_core.timetable import Definition, ScheduleFacts, Ticking

from z4j_rqscheduler import known, processes, stored
from z4j_rqscheduler.plans import SECOND, told
from z4j_rqscheduler.registered_actions import ENDS, ScheduledActions, comes_back, registry_key
from z4j_rqscheduler.stored import Kept

_MOST: Final = 5_000
_NO_WORKER: Final = "No worker of RQ runs in this process."


class RQScheduled(ScheduledActions):
    name: ClassVar[str] = "rqscheduled"
    engine: ClassVar[str] = "rq"

    def __init__(self) -> None:
        super().__init__()
        self._patches = Patches()
        self._pulse = processes.Pulse()
        #: What the loop is about to enqueue, by id: its due time. Only while it turns.
        self._due: dict[str, int] | None = None

    def version(self) -> str:
        return version("rq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self._patches.around(Loop, "heartbeat", self._beat)
        self._patches.around(Loop, "enqueue_scheduled_jobs", self._turn)
        self._patches.around(ScheduledJobRegistry, "get_jobs_to_schedule", self._take)

    def uninstall(self) -> None:
        self._patches.undo()
        super().uninstall()

    # In the process of the loop, which is a child of the worker's.

    def _beat(self, original: Callable[..., Any], loop: Loop) -> Any:
        self._pulse.beat()
        return original(loop)

    def _turn(self, original: Callable[..., Any], loop: Loop) -> Any:
        with guard("rqscheduled.catch_up"):
            self.catch_up(loop.connection)
        with guard("rqscheduled.keep_out"):
            for key, words in self._overrides.all().items():
                came = loop.connection.zrem(registry_key(words["queue"]), key)
                if words.get("gone"):
                    self._bury(loop.connection, key, came=bool(came))
        self._due = {}
        try:
            return original(loop)
        finally:
            due, self._due = self._due, None
            with guard("rqscheduled.fired"):
                for kept in stored.read(loop.connection, list(due)):
                    self.fired(kept.id, kept.id, due=due[kept.id], name=kept.task, queue=kept.queue)
                if due and self.host is not None:
                    self.host.flush()  # this process may be killed by its worker

    def _bury(self, connection: Any, key: str, *, came: bool) -> None:
        """It was deleted while it ran. Its process knew nothing of that, and would have had it repeated."""
        kept = next(iter(stored.read(connection, [key])), None)
        if came and kept is not None:
            Job.fetch(key, connection=connection).delete()
        if came or kept is None or kept.status in ENDS:
            self._overrides.forget(key)

    def _take(self, original: Callable[..., list[str]], waiting: ScheduledJobRegistry, *given: Any, **more: Any) -> Any:
        found = original(waiting, *given, **more)
        with guard("rqscheduled.due"):
            if found and self._due is not None:
                scores = dict(zip(found, waiting.connection.zmscore(waiting.key, found), strict=True))
                for kept in stored.read(waiting.connection, found):
                    if kept.is_schedule and (score := scores[kept.id]) is not None:
                        self._due[kept.id] = round(score * SECOND)
                    if kept.repeats is not None and not self._repeats.get(kept.id):
                        self._repeats.put(kept.id, {"queue": kept.queue})
        return found

    # What the agent asks, in a worker.

    def obstacle(self, verb: str) -> str:
        return super().obstacle(verb) or ("" if self._worker.find() is not None else _NO_WORKER)

    def running(self) -> Ticking | None:
        tick = self._pulse.last()
        return processes.ticking(tick, 1.0) if tick else None

    def schedules(self) -> Iterable[tuple[str, ScheduleFacts]]:
        connection, due = self._connection, {}
        for queue in Queue.all(connection):
            for job_id, score in connection.zrange(registry_key(queue.name), 0, _MOST - 1, withscores=True):
                due[job_id.decode()] = round(score * SECOND)
        off, seen = self._overrides.all(), self._repeats.all()
        for kept in stored.read(connection, list({**due, **off, **seen})):
            gone = off.get(kept.id, {}).get("gone")
            if kept.is_schedule and not gone and (kept.id in due or kept.id in off or comes_back(kept)):
                yield kept.id, self._facts(kept, due.get(kept.id), off.get(kept.id))
                if kept.repeats is not None and kept.id not in seen:
                    self._repeats.put(kept.id, {"queue": kept.queue})
            elif kept.id in seen:
                self._repeats.forget(kept.id)

    def _facts(self, kept: Kept, due: int | None, off: Mapping[str, Any] | None) -> ScheduleFacts:
        facts: dict[str, Any] = {
            "task": kept.task,
            "engine": "rq",
            "enabled": off is None,
            "definition": Definition.STORE,
            "queue": kept.queue,
            **_plan(kept, (off or {}).get("due", due)),
        }
        if off is None and due is not None:
            facts["next"] = due
        if kept.call is not None and self.host is not None:
            parameters = known.parameters(kept.task)
            args, kwargs, _ = self.host.redactor.of(kept.task, parameters).call(parameters, *kept.call)
            facts["args"], facts["kwargs"] = args, kwargs
        return cast(ScheduleFacts, facts)


def _plan(kept: Kept, due: int | None) -> dict[str, Any]:
    if kept.repeats is None:
        return told(at=due if due is not None else round(time.time() * SECOND))
    if len(set(kept.intervals)) > 1:
        return told(text=f"after {', '.join(map(str, kept.intervals))} s")
    return told(every=kept.intervals[0], text=f"{kept.intervals[0]} s after it has ended")
