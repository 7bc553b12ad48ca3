"""Tasks that look stuck: agents are asked what the engine's own store says of them, and told which nobody can hold.

A task is in doubt when it has not ended, nothing was heard of it for a while, its time has come, and no worker that
answers says that it runs it. It is an orphan when, besides, whoever had it is gone, or its queue is empty: an agent
whose engine does not know how it ended may then call it lost. That is soft: any later word of a worker stands above it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone
from z4j_core import wire

from z4j_brain.agents.states import SILENT_AFTER, Presence
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.lib.bulk import micros
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TERMINAL, TaskState

#: How long nothing is heard of a task before anybody wonders.
QUIET = timedelta(seconds=60)
#: How long whoever had a task must be gone before it is an orphan.
GONE = timedelta(seconds=45)
#: How long a queue must have been empty under a task that is due.
EMPTY = timedelta(minutes=10)
#: Without a sign that its worker is gone: how long nobody may have claimed a task that runs.
UNCLAIMED = timedelta(hours=1)
#: Tasks of one state in one round, looks in one answer, and seconds between the beginnings of two rounds.
OF_A_STATE, AT_ONCE, ROUND = 100, 100, 60.0
#: Seconds after the start of this process in which nobody is called an orphan: its agents are still coming back.
SETTLES = 120.0
#: Workers and queues of one engine, and engines of one environment, that a round takes in.
WORKERS, ENGINES = 1_000, 32

_OPEN = tuple(state for state in TaskState if state not in TERMINAL)
_HELD = (TaskState.RECEIVED, TaskState.STARTED)
_TIMES = ("eta", "enqueued_at", "received_at", "started_at", "last_at")
_ASKED = ("id", "engine", "task_id", "name", "queue", "worker", "state", "attempt", *_TIMES)


@dataclass(slots=True)
class _Round:
    """Of one environment: what is still to be asked, by engine, and where each state goes on in the next round."""

    began: float = -ROUND
    looks: dict[str, deque[wire.Look]] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


class Rounds:
    """Deals the doubts of each environment out to the agents that ask, each doubt once a round.

    The lock is held over memory only: while one thread looks for a new round, others deal what is left of the last.
    """

    def __init__(self, settles: float = SETTLES) -> None:
        self._lock = threading.Lock()
        self._rounds: dict[int, _Round] = {}
        self._judges_at = time.monotonic() + settles

    def has_nothing(self, environment_id: int, engines: Iterable[str]) -> bool:
        """Is there nothing left to ask these engines in this round? Then nobody has to wait for a thread."""
        with self._lock:
            current = self._rounds.get(environment_id)
            return bool(
                current
                and time.monotonic() - current.began < ROUND
                and not any(current.looks.get(engine) for engine in engines)
            )

    def deal(self, environment_id: int, engines: Iterable[str]) -> list[wire.Look]:
        """At most `AT_ONCE` looks, for one agent that serves these engines."""
        with self._lock:
            current = self._rounds.setdefault(environment_id, _Round())
            now = time.monotonic()
            is_due = now - current.began >= ROUND
            if is_due:
                current.began = now
        if is_due:
            found = _doubts(environment_id, current.after, judges=now >= self._judges_at)
            with self._lock:
                current.looks = found
        with self._lock:
            return list(_popped(current, sorted(engines)))


def _popped(current: _Round, engines: Iterable[str]) -> Iterator[wire.Look]:
    left = AT_ONCE
    for engine in engines:
        looks = current.looks.get(engine, deque())
        while looks and left:
            left -= 1
            yield looks.popleft()


def _doubts(environment_id: int, after: dict[str, int], *, judges: bool) -> dict[str, deque[wire.Look]]:
    """One round, by engine: the same few queries however many engines anybody speaks of."""
    now = timezone.now()
    silent = Task.objects.filter(environment=environment_id, last_at__lt=now - QUIET)
    crews: dict[str, _Crew] = {}
    looks: dict[str, deque[wire.Look]] = defaultdict(deque)
    for state in _OPEN:
        rows = silent.filter(state=state, pk__gt=after.get(state, 0)).order_by("pk")
        found = list(rows.only(*_ASKED)[:OF_A_STATE])
        after[state] = found[-1].pk if len(found) == OF_A_STATE else 0
        for task in found:
            if task.engine not in crews and len(crews) < ENGINES:
                crews[task.engine] = _Crew.of(environment_id, task.engine, now)
            crew = crews.get(task.engine)
            if crew is not None and crew.doubts(task):
                looks[task.engine].append(_look(task, orphan=judges and crew.has_lost(task)))
    return looks


def _look(task: Task, *, orphan: bool) -> wire.Look:
    return wire.Look(
        engine=task.engine,
        task_id=task.task_id,
        name=task.name,
        queue=task.queue,
        state=task.state,
        attempt=task.attempt,
        run=micros(task.started_at),
        orphan=orphan,
    )


@dataclass(frozen=True, slots=True)
class _Crew:
    """Who works on an engine and what waits in its queues, as last heard."""

    now: datetime
    workers: dict[str, Worker]
    claimed: frozenset[str]
    queues: dict[str, Queue]

    @classmethod
    def of(cls, environment_id: int, engine: str, now: datetime) -> _Crew:
        place = {"environment": environment_id, "engine": engine}
        workers = list(Worker.objects.filter(**place).order_by("-heartbeat_at")[:WORKERS])
        online = [worker for worker in workers if worker.state == Presence.ONLINE]
        claimed = frozenset(str(run.get("task_id")) for worker in online for run in worker.running)
        queues = {queue.name: queue for queue in Queue.objects.filter(**place)[:WORKERS]}
        return cls(now, {worker.name: worker for worker in workers}, claimed, queues)

    def doubts(self, task: Task) -> bool:
        return task.task_id not in self.claimed and self.now - self._due(task) > QUIET

    def has_lost(self, task: Task) -> bool:
        """Can nobody be holding it any more?"""
        if task.state not in _HELD:
            return self._is_missing(task)
        gone = self._gone_since(task)
        if gone is not None:
            return self.now - gone > GONE
        return task.state == TaskState.STARTED and self.now - task.last_at > UNCLAIMED

    def _due(self, task: Task) -> datetime:
        """Since when something should have happened to it."""
        return max(moment for moment in (task.eta, task.enqueued_at, task.last_at) if moment)

    def _gone_since(self, task: Task) -> datetime | None:
        """When the worker that took it ended, fell silent, or began anew without it."""
        worker = self.workers.get(task.worker)
        if worker is None:
            return None
        if worker.offline_at is not None:
            return worker.offline_at
        taken = task.started_at or task.received_at
        if worker.started_at is not None and taken is not None and worker.started_at > taken:
            return worker.started_at
        return worker.heartbeat_at + SILENT_AFTER if worker.state != Presence.ONLINE else None

    def _is_missing(self, task: Task) -> bool:
        """It should wait, and its queue, measured since, holds nothing at all."""
        queue = self.queues.get(task.queue)
        if queue is None or queue.is_stale or not queue.exact or not queue.is_empty:
            return False
        return queue.measured_at > self._due(task) and self.now - self._due(task) > EMPTY
