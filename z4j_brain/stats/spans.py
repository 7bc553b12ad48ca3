"""Stretches of time that rollups can tell of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil

from z4j_brain.stats.states import Grain

#: What is kept by queue, and by task name; coarsest first.
OF_QUEUES = (Grain.DAY, Grain.HOUR, Grain.FIVE_MINUTES)
OF_NAMES = (Grain.DAY, Grain.HOUR)


def aligned(start: datetime, end: datetime, grain: Grain) -> tuple[int, int]:
    """The whole stretches of `grain` that [start, end) touches, seconds since 1970."""
    return grain.floor(int(start.timestamp())), -grain.floor(-ceil(end.timestamp()))


def pieces(start: int, end: int, grains: Sequence[Grain]) -> Iterator[tuple[Grain, int, int]]:
    """[start, end) cut so that as few rollups as possible cover it: whole days, then hours beside them, and so on."""
    coarsest, *finer = grains
    first, last = -coarsest.floor(-start), coarsest.floor(end)
    if not finer or first < last:
        yield coarsest, first, last
    if finer:
        rest = ((start, first), (last, end)) if first < last else ((start, end),)
        for since, until in rest:
            if since < until:
                yield from pieces(since, until, finer)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
