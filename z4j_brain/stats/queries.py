"""Reading rollups. For pages that already show the environment: these ask for no actor.

The store adds up and joins the histograms of a group, so that a chart costs one query and a row for each of its points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce
from itertools import pairwise
from operator import add
from typing import Any, Literal

from django.db.models import Aggregate, F, Q, QuerySet, Sum, TextField

from z4j_brain.stats import spans
from z4j_brain.stats.models import ByName, ByQueue, Rollup
from z4j_brain.stats.spans import Span
from z4j_brain.stats.states import ENDS, SUMS, Grain
from z4j_brain.stats.totals import Totals

#: Names or queues that one table takes in, those with the most tasks first.
GROUPS = 1_000
_NOTHING = Totals()


@dataclass(frozen=True, slots=True)
class Point:
    start: datetime
    end: datetime
    totals: Totals

    @property
    def limits(self) -> str:
        return spans.limits(self.start, self.end)


@dataclass(frozen=True)
class Series:
    """A point for each piece of the span, also where nothing happened."""

    span: Span
    points: tuple[Point, ...]

    @cached_property
    def total(self) -> Totals:
        return Totals.together(point.totals for point in self.points)


@dataclass(frozen=True, slots=True)
class Group:
    """What the tasks of one name, or of one queue, came to. `share`: of the run time of all, 0 to 1."""

    engine: str
    key: str
    totals: Totals
    share: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """`span`: what it tells of. `more`: there were more than `GROUPS`."""

    span: Span
    groups: tuple[Group, ...]
    more: bool


class _Joined(Aggregate):
    """Texts joined by commas, without the empty ones: many histograms as `histogram.merged` reads them."""

    function = "STRING_AGG"
    template = "%(function)s(NULLIF(%(expressions)s, ''), ',')"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="GROUP_CONCAT", **context)


_SUMS = {f"sum_{name}": Sum(name) for name in SUMS}
_TEXTS = {f"all_{name}": _Joined(name) for name in ("runtimes", "waits")}
_ENDED = reduce(add, (F(f"sum_{state}") for state in ENDS))


def totals(
    environment_id: int, start: datetime, end: datetime, *, engine: str | None = None, queue: str | None = None
) -> Totals:
    """What came and ended in [start, end), widened to whole five minutes."""
    return whole(environment_id, Span.whole(start, end), engine=engine, queue=queue)


def whole(
    environment_id: int, span: Span, *, engine: str | None = None, queue: str | None = None, name: str | None = None
) -> Totals:
    """The span in one; of one name only for whole hours."""
    model, grains = (ByQueue, spans.OF_QUEUES) if name is None else (ByName, spans.OF_NAMES)
    rows = _within(model, environment_id, span.start, span.end, grains)
    found = _narrow(rows, engine, queue=queue, name=name).aggregate(**_SUMS, **_TEXTS)
    return Totals.of(list(found.values()))


def series(
    environment_id: int,
    span: Span,
    *,
    engine: str | None = None,
    queue: str | None = None,
    name: str | None = None,
    timed: bool = True,
) -> Series:
    """The span piece by piece; of one name only by hour or by day. Without durations, unless `timed`, it costs less."""
    model: type[Rollup] = ByQueue if name is None else ByName
    rows = model._default_manager.filter(
        environment=environment_id, grain=span.grain, start__gte=span.start, start__lt=span.end
    )
    rows = _narrow(rows, engine, queue=queue, name=name)
    found = {start: Totals.of(rest) for start, *rest in _summed(rows, "start", texts=list(_TEXTS) if timed else ())}
    return Series(span, _along(span, found))


def of_queues(environment_id: int, span: Span, names: Collection[str]) -> dict[tuple[str, str], tuple[Point, ...]]:
    """The span piece by piece for each queue of these names of which anything is known, without durations."""
    rows = ByQueue.objects.filter(environment=environment_id, grain=span.grain, queue__in=names)
    rows = rows.filter(start__gte=span.start, start__lt=span.end)
    found: dict[tuple[str, str], dict[int, Totals]] = defaultdict(dict)
    for engine, queue, start, *rest in _summed(rows, "engine", "queue", "start", texts=()):
        found[engine, queue][start] = Totals.of(rest)
    return {queue: _along(span, pieces) for queue, pieces in found.items()}


def by_queue(environment_id: int, span: Span, *, engine: str | None = None, queue: str | None = None) -> Table:
    """The queues of the span, those with the most tasks first."""
    rows = _narrow(_within(ByQueue, environment_id, span.start, span.end, spans.OF_QUEUES), engine, queue=queue)
    return _table(rows, "queue", span)


def by_name(environment_id: int, span: Span, *, engine: str | None = None, name: str | None = None) -> Table:
    """The task names of the whole hours of the span, those with the most tasks first."""
    hours = span.hourly
    rows = _narrow(_within(ByName, environment_id, hours.start, hours.end, spans.OF_NAMES), engine, name=name)
    return _table(rows, "name", hours)


def of_names(environment_id: int, span: Span, names: Collection[str]) -> dict[tuple[str, str], Totals]:
    """What the tasks of each of these names came to in the whole hours of the span."""
    hours = span.hourly
    rows = _within(ByName, environment_id, hours.start, hours.end, spans.OF_NAMES).filter(name__in=names)
    found = _summed(rows, "engine", "name", texts=["all_runtimes"])
    return {(engine, name): Totals.of(rest) for engine, name, *rest in found}


def _along(span: Span, found: Mapping[int, Totals]) -> tuple[Point, ...]:
    moments = [spans.moment(at) for at in (*span.starts, span.end)]
    limits = zip(span.starts, pairwise(moments), strict=True)
    return tuple(Point(start, end, found.get(at, _NOTHING)) for at, (start, end) in limits)


def _table(rows: QuerySet[Any], label: Literal["name", "queue"], span: Span) -> Table:
    """Waiting times of queues only: those of names say no more, and cost as much again."""
    texts = list(_TEXTS)[: 2 if label == "queue" else 1]
    most = _summed(rows, "engine", label, texts=texts).order_by(_ENDED.desc(), "engine", label)[: GROUPS + 1]
    found = [(engine, text, Totals.of(rest)) for engine, text, *rest in most]
    whole = sum(sums.run_ms for _, _, sums in found)
    groups = (Group(engine, text, sums, sums.run_ms / whole if whole else None) for engine, text, sums in found)
    return Table(span, tuple(groups)[:GROUPS], len(found) > GROUPS)


def _within(model: type[Rollup], environment_id: int, first: int, last: int, grains: Sequence[Grain]) -> QuerySet[Any]:
    """The fewest rollups that cover the time."""
    covering = Q()
    for grain, since, until in spans.pieces(first, last, grains):
        # The environment in every piece: SQLite takes the index for each, and does not walk all the environment has.
        covering |= Q(environment=environment_id, grain=grain, start__gte=since, start__lt=until)
    rows = model._default_manager.filter(covering)
    return rows if covering else rows.none()


def _narrow(rows: QuerySet[Any], engine: str | None, **labels: str | None) -> QuerySet[Any]:
    wanted = {name: value for name, value in (("engine", engine), *labels.items()) if value is not None}
    return rows.filter(**wanted)


def _summed(rows: QuerySet[Any], *by: str, texts: Sequence[str] = tuple(_TEXTS)) -> QuerySet[Any, Any]:
    """The values of each group, its sums, and its histograms."""
    wanted = _SUMS | {name: _TEXTS[name] for name in texts}
    found: QuerySet[Any, Any] = rows.order_by().values(*by).annotate(**wanted)
    return found.values_list(*by, *wanted)
