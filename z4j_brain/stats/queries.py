"""Reading rollups. For pages that already show the environment: these ask for no actor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from django.db.models import Q, QuerySet

from z4j_brain.stats import spans
from z4j_brain.stats.models import ByQueue, Rollup
from z4j_brain.stats.states import Grain
from z4j_brain.stats.totals import COLUMNS, Totals

R = TypeVar("R", bound=Rollup)


def totals(
    environment_id: int, start: datetime, end: datetime, *, engine: str | None = None, queue: str | None = None
) -> Totals:
    """What came and ended in [start, end), widened to whole five minutes."""
    first, last = spans.aligned(start, end, Grain.FIVE_MINUTES)
    rows = _within(ByQueue.objects.all(), environment_id, first, last, spans.OF_QUEUES)
    return Totals.of(_narrow(rows, engine, queue).values_list(*COLUMNS))


def _within(rows: QuerySet[R], environment_id: int, first: int, last: int, grains: Sequence[Grain]) -> QuerySet[R]:
    """The fewest rollups that cover the time."""
    covering = Q()
    for grain, since, until in spans.pieces(first, last, grains):
        covering |= Q(grain=grain, start__gte=since, start__lt=until)
    return rows.filter(covering, environment=environment_id) if covering else rows.none()


def _narrow(rows: QuerySet[R], engine: str | None, queue: str | None) -> QuerySet[R]:
    if engine is not None:
        rows = rows.filter(engine=engine)
    return rows if queue is None else rows.filter(queue=queue)
