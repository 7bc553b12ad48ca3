"""Each run of a job, told as a task: the functions are APScheduler's own, no queue knows of them.

APScheduler says when it hands a run to an executor and when that has ended; a run may have ended before it is said to
have been handed over. When it began follows from how many the executor runs at once: they begin in order.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from z4j_core.redaction import Parameters, Telling
from z4j_core.scheduler import Host
from z4j_core.timetable import Skip
from z4j_core.wire import Error, Kind, Reason

from z4j_apscheduler.keys import ONCE, is_ours
from z4j_apscheduler.plans import micros

#: Runs whose end is remembered because it came first.
EARLY: Final = 1000
#: Microseconds for which an executor may have let go of a run before it says how that ended.
LOST_AFTER: Final = 10_000_000
#: Of a job's id, so much is in those of its runs.
LONGEST: Final = 200


@dataclass(slots=True)
class Known:
    """A job as it was last seen: it may be gone by the time its run is told of."""

    key: str
    task: str
    job: Any

    @property
    def parameters(self) -> Parameters:
        return Parameters.of(self.job.func)


@dataclass(eq=False, slots=True)
class Batch:
    """What an executor was handed at once: runs of one job, one after the other."""

    known: Known
    lane: str
    dues: list[int]
    #: Too late already: the executor will say that it left it out, unless it was faster than that.
    held: set[int] = field(default_factory=set)
    began: int = 0
    #: When a sweep first saw that no executor has it; 0: one has.
    missed: int = 0

    @property
    def alone(self) -> bool:
        return len(self.dues) == 1


class Runs:
    """`fired` and `skipped` are the adapter's. Called from the scheduler's thread and from those of executors."""

    def __init__(self, engine: str, fired: Callable[..., None], skipped: Callable[[str, int, Skip], None]) -> None:
        self._engine = engine
        self._fired = fired
        self._skipped = skipped
        self.host: Host | None = None
        self.last: dict[str, int] = {}
        self._batches: dict[str, Batch] = {}
        self._waiting: dict[str, deque[Batch]] = {}
        self._running: dict[str, int] = {}
        self._early: OrderedDict[str, None] = OrderedDict()
        self._turn = threading.RLock()

    def submitted(self, known: Known, lane: str, slots: int | None, dues: list[int]) -> None:
        """`slots`: how many runs the executor has at once; None: any number."""
        with self._turn:
            dues = [due for due in dues if not self._ended_before(task_id(known, due))]
            if not dues:
                return
            grace, now = known.job.misfire_grace_time, _now()
            held = {due for due in dues if grace is not None and now - due > grace * 1_000_000}
            batch = Batch(known, lane, dues, held)
            for due in dues:
                self._batches[task_id(known, due)] = batch
                if due not in held:
                    self._tell_fired(known, due)
            if slots is None or self._running.get(lane, 0) < slots:
                self._begin(batch)
            else:
                self._waiting.setdefault(lane, deque()).append(batch)

    def ended(self, known: Known, due: int, kind: Kind, told: Callable[[Telling], dict[str, Any]]) -> None:
        """A run has ended, or was left out for being late (`task.skipped`). `told`: what else there is to say."""
        with self._turn:
            one = task_id(known, due)
            batch = self._batches.pop(one, None)
            late = kind is Kind.TASK_SKIPPED
            untold = batch is None or due in batch.held
            if batch is None:
                self._early[one] = None
                while len(self._early) > EARLY:
                    self._early.popitem(last=False)
            if untold and not late:
                self._tell_fired(known, due)
            if late:
                self._skipped(known.key, due, Skip.LATE)
            if not (untold and late):
                self._tell_end(known, due, kind, batch, told)
            if batch is not None and not any(self._batches.get(task_id(known, each)) is batch for each in batch.dues):
                self._leave(batch)

    def sweep(self, has: Callable[[str, str], bool]) -> None:
        """`has(lane, job id)`: whether an executor has runs of that job. One that lost them says nothing."""
        with self._turn:
            for batch in set(self._batches.values()):
                if has(batch.lane, batch.known.job.id):
                    batch.missed = 0
                elif not batch.missed:
                    batch.missed = _now()
                elif _now() - batch.missed > LOST_AFTER:
                    self._lose(batch)

    def _ended_before(self, one: str) -> bool:
        known = one in self._early
        self._early.pop(one, None)
        return known

    def _lose(self, batch: Batch) -> None:
        text = "The executor has lost this run, and nobody knows how far it came."
        error = Error(type="RunLost", message=text, reason=Reason.WORKER_LOST)
        for due in batch.dues:
            if self._batches.pop(task_id(batch.known, due), None) is batch and due not in batch.held:
                self._tell_end(batch.known, due, Kind.TASK_LOST, batch, lambda _: {"error": error})
        self._leave(batch)

    def _begin(self, batch: Batch) -> None:
        self._running[batch.lane] = self._running.get(batch.lane, 0) + 1
        batch.began = _now()
        for due in batch.dues:
            if due not in batch.held:
                event = {"ts": batch.began, "run": batch.began}
                self._tell(Kind.TASK_STARTED, batch.known, due, {**event, **self._arguments(batch.known)})

    def _leave(self, batch: Batch) -> None:
        if not batch.began:
            self._waiting[batch.lane].remove(batch)
            return
        self._running[batch.lane] -= 1
        if waiting := self._waiting.get(batch.lane):
            self._begin(waiting.popleft())

    def _tell_fired(self, known: Known, due: int) -> None:
        asked = is_ours(known.job.id)
        if not asked:
            self.last[known.key] = max(due, self.last.get(known.key, 0))
        self._fired(known.key, task_id(known, due), due=None if asked else due, name=known.task, asked=asked)

    def _tell_end(
        self, known: Known, due: int, kind: Kind, batch: Batch | None, told: Callable[[Telling], dict[str, Any]]
    ) -> None:
        now = _now()
        event: dict[str, Any] = {"ts": now, "run": batch.began if batch and batch.began else now}
        if batch and batch.began and batch.alone and not batch.held:
            event["runtime_ms"] = (now - batch.began) / 1000
        if self.host is not None:
            event |= told(self.host.redactor.of(known.task, known.parameters))
        self._tell(kind, known, due, event)

    def _arguments(self, known: Known) -> dict[str, Any]:
        if self.host is None:
            return {}
        parameters = known.parameters
        redactor = self.host.redactor.of(known.task, parameters)
        told = redactor.call(parameters, tuple(known.job.args), dict(known.job.kwargs))
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def _tell(self, kind: Kind, known: Known, due: int, event: dict[str, Any]) -> None:
        if self.host is not None:
            identity = {"engine": self._engine, "task_id": task_id(known, due), "name": known.task}
            where = {"worker": process_name(), "schedule": known.key, "attempt": 0}
            self.host.emit({"kind": kind, **identity, **where, **event})


def task_id(known: Known, due: int) -> str:
    """Of a run that was asked for, the id that it was promised."""
    job_id = str(known.job.id)
    return job_id.removeprefix(ONCE) if is_ours(job_id) else f"{job_id[:LONGEST]}:{due}"


def dues_of(event: Any) -> list[int]:
    return [micros(moment) for moment in event.scheduled_run_times]


def process_name() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _now() -> int:
    return time.time_ns() // 1000
