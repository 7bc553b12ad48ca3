"""The geometry of charts: paths for an SVG of 600 by 100, stretched to its place; and what its script reads out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10

from django.utils.translation import npgettext

from z4j_brain.lib import words
from z4j_brain.stats.deploys import Seen
from z4j_brain.stats.queries import Point, Series
from z4j_brain.stats.spans import moment
from z4j_brain.stats.totals import Totals

WIDTH = 600
#: Bars that a chart has at most: as many as still look like bars.
BARS = 100
#: Where bars stand, how high the highest is, and where failures hang from and reach to.
FOOT, TOP, HANG, BOTTOM = 74.0, 3.0, 76.0, 98.0
#: Distances of the labels of a time axis, seconds, and how many there are at most.
TICKS = (300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000)
MAX_TICKS = 6
#: Labels of one axis stand at least this part of it apart; letters of a version that are shown there.
APART, LETTERS = 0.09, 12
#: Levels of a scale of durations, milliseconds: decades, as far as there are words for them.
LEVELS = [0.001, 0.01, 0.1, 1, 10, 100, 1e3, 1e4, 6e4, 6e5, 3.6e6, 3.6e7, 8.64e7, 8.64e8, 8.64e9]


@dataclass(frozen=True, slots=True)
class Tick:
    at: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to tell of: a line across a chart at `x`, and its word on the axis where there is room."""

    x: str
    at: str
    text: str
    place: str
    deploy: Seen


@dataclass(frozen=True, slots=True)
class Bars:
    """Succeeded and other ends above the axis, failures below it on a scale of their own."""

    points: tuple[Point, ...]
    step: int
    succeeded: str
    other: str
    failed: str
    most: int
    most_failed: int
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def start(self) -> int:
        return int(self.points[0].start.timestamp())

    @property
    def each(self) -> str:
        """How long a bar is: `15 min`, `1 h`, `1 day`."""
        if self.step < 3600:
            return f"{self.step // 60} min"
        if self.step < 86_400:
            return f"{self.step // 3600} h"
        days = self.step // 86_400
        return npgettext("length of a piece", "%(n)s day", "%(n)s day", days) % {"n": days}

    @property
    def total(self) -> Totals:
        return Totals.together(point.totals for point in self.points)

    @property
    def counts(self) -> str:
        """For the script, bar by bar: succeeded, other ends, failed."""
        return " ".join(f"{one.totals.succeeded},{one.totals.other},{one.totals.failed}" for one in self.points)


@dataclass(frozen=True, slots=True)
class Lines:
    """Percentiles on a logarithmic scale. `levels`: its labels, as milliseconds and place."""

    start: int
    step: int
    p50: str
    p95: str
    p99: str
    levels: tuple[tuple[float, str], ...]
    figures: str
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines on one linear scale. `words`: what each is, for the script."""

    start: int
    step: int
    paths: tuple[str, ...]
    most: int
    words: str
    figures: str
    ticks: tuple[Tick, ...]


def bars(series: Series, deploys: Sequence[Seen] = ()) -> Bars:
    points = tuple(_fewer(series.points, BARS))
    marks = tuple(_marks(points, deploys))
    most = max(point.totals.ended - point.totals.failed for point in points)
    most_failed = max(point.totals.failed for point in points)
    up, down = (FOOT - TOP) / (most or 1), (BOTTOM - HANG) / (most_failed or 1)
    width = WIDTH / len(points)
    succeeded, other, failed = [], [], []
    for at, totals in enumerate(point.totals for point in points):
        x, across = at * width + width * 0.1, width * 0.8
        middle = FOOT - totals.succeeded * up
        succeeded.append(_box(x, across, middle, FOOT))
        other.append(_box(x, across, middle - totals.other * up, middle))
        failed.append(_box(x, across, HANG, HANG + totals.failed * down))
    step = int((points[0].end - points[0].start).total_seconds())
    paths = {"succeeded": "".join(succeeded), "other": "".join(other), "failed": "".join(failed)}
    return Bars(
        points, step, **paths, most=most, most_failed=most_failed, ticks=tuple(_ticks(points, marks)), marks=marks
    )


def lines(points: Sequence[Point], measure: str, deploys: Sequence[Seen] = ()) -> Lines | None:
    """Of `runtime_ms` or `wait_ms`; None where nothing was measured."""
    figures = [getattr(point.totals, measure) for point in points]
    known = [value for found in figures for value in found if value is not None]
    if not known:
        return None
    levels = _levels(min(known), max(known))
    places = [[_height(value, levels) for value in column] for column in zip(*figures, strict=True)]
    shown = tuple((level, f"{_height(level, levels):.1f}%") for level in levels)
    p50, p95, p99 = (_path(column) for column in places)
    step = int((points[0].end - points[0].start).total_seconds())
    told = " ".join(",".join("" if value is None else f"{value:.4g}" for value in found) for found in figures)
    start, marks = int(points[0].start.timestamp()), tuple(_marks(points, deploys))
    return Lines(start, step, p50, p95, p99, shown, told, tuple(_ticks(points, marks)), marks)


def curves(points: Sequence[Point], values: Mapping[str, Sequence[float | None]]) -> Curves:
    """Lines over the same pieces, by the word for each, on one scale that begins at nothing; gaps where none knows."""
    most = max((value or 0 for line in values.values() for value in line), default=0)
    scale = 92 / (most or 1)
    drawn = (_path(None if value is None else 97 - value * scale for value in line) for line in values.values())
    told = " ".join(
        ",".join("" if value is None else f"{value:.6g}" for value in at) for at in zip(*values.values(), strict=True)
    )
    step = int((points[0].end - points[0].start).total_seconds())
    start = int(points[0].start.timestamp())
    return Curves(start, step, tuple(drawn), int(most), ",".join(values), told, tuple(_ticks(points)))


def spark(values: Sequence[float | None], most: float = 0) -> str:
    """A line through `values` in a box of 100 by 30, up to `most` of them; what is not known counts as nothing."""
    some = [value or 0 for value in values]
    most = most or max(some, default=0) or 1
    step, last = 100 / max(len(some) - 1, 1), len(some) - 1
    turns = (at for at, value in enumerate(some) if at in (0, last) or not some[at - 1] == value == some[at + 1])
    return "M" + " ".join(f"{_short(at * step)},{_short(29 - some[at] / most * 26)}" for at in turns)


def filled(spark: str) -> str:
    """The same line, closed outside of its box: what is below it can be filled."""
    return f"M-9,39 {spark.removeprefix('M')} 109,39z"


def fewer(values: Sequence[Point], most: int = 60) -> tuple[Point, ...]:
    """The same stretch in longer pieces."""
    return tuple(_fewer(values, most))


def _fewer(points: Sequence[Point], most: int) -> Iterator[Point]:
    """Joined by twos, threes, fours and so on, counted from 1970, so that pieces do not shift from minute to minute."""
    grain = int((points[0].end - points[0].start).total_seconds())
    times = next(n for n in (1, 2, 3, 4, 6, 12, 24) if len(points) <= n * most or n == 24)
    step = grain * times
    groups: dict[int, list[Point]] = {}
    for point in points:
        groups.setdefault(int(point.start.timestamp()) // step, []).append(point)
    for number, group in groups.items():
        totals = Totals.together(point.totals for point in group)
        yield Point(moment(number * step), moment((number + 1) * step), totals) if times > 1 else group[0]


def _box(x: float, across: float, top: float, foot: float) -> str:
    """Nothing for nothing; else high enough to be seen."""
    if foot - top < 0.01:
        return ""
    return f"M{_short(x)} {_short(min(top, foot - 1))}h{_short(across)}V{_short(foot)}h-{_short(across)}z"


def _path(heights: Iterable[float | None]) -> str:
    """Through the middle of each piece; a gap where nothing is known; a lone piece is a dash."""
    places = list(heights)
    width, drawn, path = WIDTH / len(places), False, []
    for at, y in enumerate(places):
        if y is None:
            path += [f"h{_short(width / 2)}"] if drawn else []
        elif drawn:
            path.append(f"L{_short((at + 0.5) * width)} {_short(y)}")
        else:
            path.append(f"M{_short(at * width)} {_short(y)}h{_short(width / 2)}")
        drawn = y is not None
    return "".join([*path, f"h{_short(width / 2)}"] if drawn else path)


def _levels(least: float, most: float) -> list[float]:
    """The levels from the last that is below everything to the first that is above."""
    low = max(bisect_right(LEVELS, least) - 1, 0)
    high = min(bisect_left(LEVELS, most), len(LEVELS) - 1)
    return LEVELS[low : max(high, low + 1) + 1]


def _height(value: float | None, levels: Sequence[float]) -> float | None:
    if value is None:
        return None
    low, high = log10(levels[0]), log10(levels[-1])
    return 97 - (log10(value) - low) / (high - low) * 92


def _marks(points: Sequence[Point], deploys: Sequence[Seen]) -> Iterator[Mark]:
    """One of several that stand close together has its word on the axis: the last."""
    start, end = points[0].start, points[-1].end
    shares = [(deploy.at - start) / (end - start) for deploy in deploys]
    for at, (deploy, share) in enumerate(zip(deploys, shares, strict=True)):
        is_last = at + 1 == len(shares) or shares[at + 1] - share >= APART
        text = deploy.code if len(deploy.code) <= LETTERS else f"{deploy.code[: LETTERS - 1]}…"
        yield Mark(_short(share * WIDTH), f"{share * 100:.2f}%", text if is_last else "", _place(share), deploy)


def _place(share: float) -> str:
    return "first" if share < 0.03 else "last" if share > 0.97 else ""


def _ticks(points: Sequence[Point], marks: Sequence[Mark] = ()) -> Iterator[Tick]:
    """What a mark says comes before what a tick would say there."""
    start, end = int(points[0].start.timestamp()), int(points[-1].end.timestamp())
    length = end - start
    step = next((step for step in TICKS if length <= step * MAX_TICKS), TICKS[-1])
    for at in range(-(-start // step) * step, end + 1, step):
        share = (at - start) / length
        if all(abs(share - float(mark.x) / WIDTH) >= APART for mark in marks if mark.text):
            yield Tick(f"{share * 100:.2f}%", _label(moment(at), step), _place(share))


def _label(at: datetime, step: int) -> str:
    return f"{at:%H:%M}" if step < 43_200 and (at.hour or at.minute or step < 3600) else words.day(at)


def _short(value: float) -> str:
    """One decimal, without zeroes nobody reads."""
    return f"{value:.1f}".removesuffix(".0")
