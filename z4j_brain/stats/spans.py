"""Stretches of time that rollups can tell of, in seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from z4j_brain.stats.states import Grain

#: What is kept by queue, and by task name; coarsest first.
OF_QUEUES = (Grain.DAY, Grain.HOUR, Grain.FIVE_MINUTES)
OF_NAMES = (Grain.DAY, Grain.HOUR)
RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
USUAL = "24h"
#: Those of them that the list of tasks knows by name too.
LISTED = ("15m", "1h", "6h", "24h", "7d")
#: Rollups are kept for as long.
LONGEST = timedelta(days=400)
#: Up to this long, seconds, a chart shows each grain.
_FINE = {Grain.FIVE_MINUTES: 25 * 3600, Grain.HOUR: 13 * 86_400}
#: From this long on a stretch begins with a whole hour, so that what is kept by task name can tell of it too.
_HOURLY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end), told in pieces of one grain. Bounds lie on whole grains: rollups know no others."""

    start: int
    end: int
    grain: Grain
    name: str = ""

    @classmethod
    def recent(cls, name: str, now: datetime, finest: Grain = Grain.FIVE_MINUTES) -> Span:
        """One of `RANGES`: at least that far back, up to the end of the piece that has just begun."""
        seconds, length = int(now.timestamp()), int(RANGES[name].total_seconds())
        grain = _grain(length, finest)
        whole = max(grain, Grain.HOUR) if length >= _HOURLY else grain
        return cls(whole.floor(seconds - length), grain.floor(seconds) + grain, grain, name)

    @classmethod
    def between(cls, start: datetime, end: datetime, finest: Grain = Grain.FIVE_MINUTES) -> Span:
        """The pieces that [start, end) touches."""
        first, last = int(start.timestamp()), ceil(end.timestamp())
        grain = _grain(last - first, finest)
        whole = max(grain, Grain.HOUR) if last - first >= _HOURLY else grain
        return cls(whole.floor(first), _up(whole, last), grain)

    @classmethod
    def whole(cls, start: datetime, end: datetime) -> Span:
        """The five minutes that [start, end) touches, however many."""
        grain = Grain.FIVE_MINUTES
        return cls(grain.floor(int(start.timestamp())), _up(grain, ceil(end.timestamp())), grain)

    @property
    def before(self) -> Span:
        """As long a stretch, right before it."""
        return Span(2 * self.start - self.end, self.start, self.grain, self.name)

    @property
    def hourly(self) -> Span:
        """The whole hours it touches."""
        grain = max(self.grain, Grain.HOUR)
        return Span(grain.floor(self.start), _up(grain, self.end), grain, self.name)

    @property
    def starts(self) -> range:
        """Where its pieces begin."""
        return range(self.start, self.end, self.grain)

    @property
    def since(self) -> datetime:
        return moment(self.start)

    @property
    def until(self) -> datetime:
        return moment(self.end)

    @property
    def limits(self) -> str:
        """As the address of a list of tasks says it."""
        return limits(self.since, self.until)

    def minutes(self, now: datetime) -> float:
        """How much of it has passed."""
        return max(min(self.end, now.timestamp()) - self.start, 0) / 60


def pieces(start: int, end: int, grains: Sequence[Grain]) -> Iterator[tuple[Grain, int, int]]:
    """[start, end) cut so that as few rollups as possible cover it: whole days, then hours beside them, and so on."""
    coarsest, *finer = grains
    first, last = _up(coarsest, start), coarsest.floor(end)
    if first >= last:
        first = last = end
    if first < last:
        yield coarsest, first, last
    for since, until in ((start, first), (last, end)):
        if since < until and finer:
            yield from pieces(since, until, finer)


def limits(start: datetime, end: datetime) -> str:
    """`after=...&before=...`: what ended in between."""
    return f"after={start:%Y-%m-%dT%H:%MZ}&before={end:%Y-%m-%dT%H:%MZ}"


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _grain(length: int, finest: Grain) -> Grain:
    fitting = (grain for grain in Grain if grain >= finest and length <= _FINE.get(grain, length))
    return min(fitting)


def _up(grain: Grain, seconds: int) -> int:
    return -grain.floor(-seconds)
