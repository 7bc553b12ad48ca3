"""The last runs of schedules as marks side by side: height, shape and word tell what became of each, colour repeats it.

Only numbers of places in an SVG and words: the template draws.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import NamedTuple, Protocol, TypeVar

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from z4j_brain.lib import nouns
from z4j_brain.lib.words import day, duration
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import RunState

#: How many runs of a schedule are shown, the width of a mark and the distance between two.
SHOWN, WIDTH, STEP = 30, 4, 6
#: A run that was sent so much later than it was due is late.
LATE = timedelta(seconds=60)
#: How a sentence over all marks puts it.
_TOLD = {
    RunState.OK: pgettext_lazy("run", "succeeded"),
    RunState.FAILED: pgettext_lazy("run", "failed"),
    RunState.MISSED: pgettext_lazy("run", "missed"),
    RunState.UNKNOWN: pgettext_lazy("run", "unknown"),
    RunState.SKIPPED: pgettext_lazy("run", "skipped"),
    RunState.REPORTED: pgettext_lazy("run", "not sent"),
    RunState.PENDING: gettext_lazy("not finished"),
}


#: How each is drawn: classes, and a path that begins so far to the right of its place.
_SHAPES = {
    RunState.OK: ("bar f-succeeded", 2, "6v14"),
    RunState.FAILED: ("bar f-failed", 2, "0v20"),
    RunState.MISSED: ("missed", 0.6, ".6h2.8v18.8h-2.8z"),
    RunState.UNKNOWN: ("unknown", 2, "4v.01m0 6v.01m0 6v.01"),
    RunState.SKIPPED: ("bar skipped", 2, "16v4"),
    RunState.REPORTED: ("bar f-failed", 2, "0v7m0 6v7"),
    RunState.PENDING: ("bar f-started", 2, "11v9"),
}
_OVERLAPPED, _LATE = ("bar overlap", 2, "-1v5"), ("late", 2, "15l3 6h-6z")


class Told(Protocol):
    """What a mark tells of its run."""

    @property
    def state(self) -> str: ...
    @property
    def overlapped(self) -> bool: ...
    @property
    def late_ms(self) -> float | None: ...


class Glimpse(NamedTuple):
    """No more of a run than that."""

    schedule_id: int
    state: str
    overlapped: bool
    late_ms: float | None


One = TypeVar("One", Run, Glimpse)


@dataclass(frozen=True, slots=True)
class Tick:
    """One run. `x`: where its mark begins."""

    x: int
    run: Told

    @property
    def words(self) -> str:
        return words(self.run) if isinstance(self.run, Run) else ""

    @property
    def is_late(self) -> bool:
        return is_late(self.run)

    @property
    def shapes(self) -> list[tuple[str, str]]:
        """Classes and paths, what lies on top last."""
        shapes = [_SHAPES[RunState(self.run.state)], *[_OVERLAPPED] * self.run.overlapped, *[_LATE] * self.is_late]
        return [(name, f"M{self.x + right:g} {path}") for name, right, path in shapes]


@dataclass(frozen=True, slots=True)
class Ticks:
    """The newest runs of one schedule, the newest to the right."""

    ticks: tuple[Tick, ...]

    @property
    def width(self) -> int:
        return SHOWN * STEP

    @property
    def shapes(self) -> dict[str, str]:
        """All marks in a few paths, by their classes, so ordered that what lies on others is drawn after them."""
        found: dict[str, str] = {}
        for name, path in sorted(shape for tick in self.ticks for shape in tick.shapes):
            found[name] = found.get(name, "") + path
        return found

    @property
    def words(self) -> str:
        """`27 succeeded, 1 failed, 2 missed, 1 overlapped`."""
        counts = Counter(tick.run.state for tick in self.ticks)
        told = [f"{counts[state]} {word}" for state, word in _TOLD.items() if counts[state]]
        overlapped = sum(tick.run.overlapped for tick in self.ticks)
        late = sum(tick.is_late for tick in self.ticks)
        told += [gettext("%(n)s overlapped") % {"n": overlapped}] * bool(overlapped)
        told += [gettext("%(n)s late") % {"n": late}] * bool(late)
        return ", ".join(told) or gettext("none yet")


def of(schedule: Schedule) -> Ticks:
    """With all that is known of each run."""
    return row(list(_newest([schedule.pk])))


def glimpses(schedules: Iterable[Schedule]) -> dict[int, Ticks]:
    """By the keys of the schedules: what they look like, no more."""
    found: dict[int, list[Glimpse]] = defaultdict(list)
    keys = [schedule.pk for schedule in schedules]
    for told in _newest(keys).values_list(*Glimpse._fields):
        found[told[0]].append(Glimpse(*told))
    return {key: row(found[key]) for key in keys}


def row(runs: Sequence[One]) -> Ticks:
    """The marks of these runs, the newest of which comes first."""
    some = list(reversed(runs[:SHOWN]))
    first = SHOWN - len(some)
    return Ticks(tuple(Tick((first + at) * STEP, run) for at, run in enumerate(some)))


def _newest(keys: Sequence[int]) -> QuerySet[Run]:
    """In two queries whatever their number: where the last ones of each begin, and those."""
    if not keys:
        return Run.objects.none()
    last = Run.objects.filter(schedule=OuterRef("pk")).order_by("-moment").values("moment")[SHOWN - 1 : SHOWN]
    begins = Schedule.objects.filter(pk__in=keys).annotate(since=Subquery(last)).values_list("pk", "since")
    wanted = Q()
    for pk, since in begins:
        wanted |= Q(schedule=pk, moment__gte=since) if since else Q(schedule=pk)
    rows = Run.objects.filter(wanted) if wanted else Run.objects.none()
    return rows.order_by("-moment", "-pk")[: len(keys) * (SHOWN + 10)]


def is_late(run: Told) -> bool:
    return run.late_ms is not None and run.late_ms >= LATE.total_seconds() * 1000


def words(run: Run) -> str:
    """`Fri 27 Nov 14:30 UTC: succeeded in 812 ms, 2 min 05 s late, overlapped the run before it`."""
    told = [str(_TOLD[RunState(run.state)])]
    if run.runtime_ms is not None:
        told = [gettext("%(state)s in %(time)s") % {"state": told[0], "time": duration(run.runtime_ms)}]
    if run.times > 1:
        told.append(gettext("%(due_times)s on end") % {"due_times": nouns.due_times(run.times)})
    if is_late(run):
        told.append(gettext("%(late)s late") % {"late": duration(run.late_ms)})
    told += [gettext("overlapped the run before it")] * run.overlapped
    told += [gettext("asked for by somebody")] * run.asked
    told += [run.why] if run.why else []
    return f"{day(run.moment.astimezone(UTC), 'D d M H:i')} UTC: {', '.join(told)}"
