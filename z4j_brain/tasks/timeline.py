"""The story of a task, told from its events: attempts, and the stations of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from z4j_core.fold import order_key
from z4j_core.wire import Kind, Source

from z4j_brain.fleet.models import Worker
from z4j_brain.lib.words import uncapped
from z4j_brain.tasks.models import Event, Task
from z4j_brain.tasks.states import TaskState

#: Events that a timeline reads; a task with more shows its newest.
READ = 500

#: A pause between two attempts that is worth a word.
_NOTICED = timedelta(milliseconds=100)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Station:
    """A state a task came into. `span` is how long it stayed there, None while it is there still."""

    state: TaskState
    at: datetime
    since_start: timedelta
    span: timedelta | None
    worker: str
    due: datetime | None
    reconciled: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, counted from 1, or one run of it: a task that was delivered again runs twice in one attempt.

    `code`: the release that its worker runs, where it has run it since then. `message` and `traceback` are guarded; who
    is not to have them is told what kind of things they are, as `hidden`.
    """

    number: int
    run: datetime | None
    worker: str
    error_type: str
    stations: tuple[Station, ...]
    code: str = ""
    message: str = ""
    traceback: str = ""
    hidden: tuple[str, ...] = ()

    @property
    def state(self) -> TaskState:
        return self.stations[-1].state

    @property
    def until_next(self) -> timedelta | None:
        """From its end to the beginning of the next one, where that is long enough to be told."""
        span = self.stations[-1].span
        return span if span is not None and span >= _NOTICED else None

    @property
    def reconciled(self) -> tuple[str, ...]:
        """The words of those stations that were looked up in the engine's store, not told while they happened."""
        return tuple(uncapped(station.state.label) for station in self.stations if station.reconciled)

    @property
    def is_lost(self) -> bool:
        """Was it concluded that nobody has it?"""
        return any(station.reconciled and station.state == TaskState.LOST for station in self.stations)


@dataclass(frozen=True, slots=True)
class _Step:
    number: int
    run: int
    state: TaskState
    ts: int
    data: dict[str, Any]


def timeline(task: Task, *, values: bool = False) -> list[Attempt]:
    """The attempts of a task, oldest first, in the order in which `fold` takes its events. With `values`, also what the
    permission for them guards.
    """
    newest = list(Event.objects.filter(task=task).select_related("agent").order_by("-id")[:READ])
    ordered = sorted((_keyed(event) for event in newest), key=lambda pair: pair[0])
    steps = [step for _, data in ordered if (step := _step(data)) is not None]
    if not steps:
        return []
    start = min(step.ts for step in steps)
    attempts = [_attempt(group, following, start, values) for group, following in _with_next(list(_grouped(steps)))]
    return _with_codes(task, attempts)


def _keyed(event: Event) -> tuple[Any, dict[str, Any]]:
    data = {**event.data, "kind": event.kind, "ts": event.ts, "seq": event.seq}
    return order_key(data, str(event.agent.boot)), data


def _step(data: dict[str, Any]) -> _Step | None:
    state = _state(data)
    if state is None:
        return None
    return _Step(_whole(data.get("attempt")) + 1, _whole(data.get("run")), state, data["ts"], data)


def _state(data: dict[str, Any]) -> TaskState | None:
    """The station an event stands for; progress and kinds unknown here are none."""
    if data["kind"] == Kind.TASK_ENQUEUED:
        return TaskState.SCHEDULED if _whole(data.get("eta")) > data["ts"] else TaskState.QUEUED
    word = str(data["kind"]).removeprefix("task.")
    return TaskState(word) if word in TaskState.values else None


def _grouped(steps: Iterable[_Step]) -> Iterator[list[_Step]]:
    """Steps by attempt and run. What happens before a run has none, and belongs to the run that follows."""
    group: list[_Step] = []
    for step in steps:
        run = group[-1].run if group else 0
        if group and (step.number != group[0].number or (run and step.run != run)):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _with_next(groups: list[list[_Step]]) -> Iterator[tuple[list[_Step], _Step | None]]:
    for index, group in enumerate(groups):
        yield group, groups[index + 1][0] if index + 1 < len(groups) else None


def _attempt(group: list[_Step], following: _Step | None, start: int, values: bool) -> Attempt:
    pairs = zip(group, [*group[1:], following], strict=True)
    stations = tuple(_station(step, after, start) for step, after in pairs)
    workers = [station.worker for station in stations if station.worker]
    errors = [error for step in group if (error := _error(step))]
    error = errors[-1] if errors else {}
    guarded = {name: str(error.get(name) or "") for name in ("message", "traceback")}
    return Attempt(
        number=group[0].number,
        run=_moment(group[-1].run) if group[-1].run else None,
        worker=workers[-1] if workers else "",
        error_type=str(error.get("type") or ""),
        stations=stations,
        hidden=() if values else tuple(f"a {name}" for name, text in guarded.items() if text),
        **guarded if values else {},
    )


def _with_codes(task: Task, attempts: list[Attempt]) -> list[Attempt]:
    """With the releases of their workers."""
    names = {attempt.worker for attempt in attempts} - {""}
    known = Worker.objects.filter(environment=task.environment_id, engine=task.engine, name__in=names)
    workers = {worker.name: worker for worker in known} if names else {}
    return [
        replace(attempt, code=workers[attempt.worker].code_since(attempt.stations[0].at))
        if attempt.worker in workers
        else attempt
        for attempt in attempts
    ]


def _error(step: _Step) -> dict[str, Any]:
    error = step.data.get("error")
    return error if isinstance(error, dict) else {}


def _station(step: _Step, following: _Step | None, start: int) -> Station:
    eta = _whole(step.data.get("eta"))
    return Station(
        state=step.state,
        at=_moment(step.ts),
        since_start=timedelta(microseconds=step.ts - start),
        span=timedelta(microseconds=max(0, following.ts - step.ts)) if following else None,
        worker=str(step.data.get("worker") or ""),
        due=_moment(eta) if eta else None,
        reconciled=step.data.get("source") == Source.RECONCILE,
    )


def _whole(value: object) -> int:
    """A number an agent gave; 0 for anything else, as `fold` has it."""
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(micros, _LAST))
