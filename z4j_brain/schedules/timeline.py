"""The next 24 hours of all schedules: a lane each, and above them how many start in each ten minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet

from z4j_brain.lib.words import plural
from z4j_brain.schedules import spoken
from z4j_brain.schedules.models import Schedule

#: How far it looks, the pieces that starts are counted in, and the width of the drawing.
SPAN, SLOT, WIDTH = timedelta(hours=24), timedelta(minutes=10), 1440
#: Schedules that are looked at and drawn, starts of one that are worked out, and of all of them together.
LOOKED_AT, DRAWN, EACH, TOGETHER = 1_000, 120, 300, 40_000
#: Starts closer together than this are drawn as one band, minutes.
CLOSE = 12
#: A piece with so many schedules in it is a pile-up, where that is this many times what is usual.
PILE, UNUSUAL, PILES, NAMED = 5, 3, 5, 4


@dataclass(frozen=True, slots=True)
class Lane:
    """One schedule. `path`: its starts, a minute is one wide; `first`: its next one."""

    schedule: Schedule
    path: str
    first: datetime
    words: str
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """Ten minutes, and how many start in them."""

    x: int
    start: datetime
    count: int
    height: float
    is_pile: bool


@dataclass(frozen=True, slots=True)
class Pile:
    """Many schedules that start together."""

    start: datetime
    names: tuple[Schedule, ...]
    more: int

    @property
    def count(self) -> int:
        return len(self.names) + self.more

    @property
    def end(self) -> datetime:
        return self.start + SLOT


@dataclass(frozen=True, slots=True)
class Hour:
    """A line of the clock. `minor`: its label is left out where there is little room."""

    x: int
    at: datetime
    minor: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    begin: datetime
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    piles: tuple[Pile, ...]
    hours: tuple[Hour, ...]
    most: int
    quiet: int
    left_out: int

    @property
    def words(self) -> str:
        """The drawing in a sentence, for who does not see it."""
        if not self.lanes:
            return "Nothing starts in the next 24 hours."
        total = sum(lane.count for lane in self.lanes)
        about = "at least " if self.left_out or any(lane.more for lane in self.lanes) else ""
        return f"{plural(len(self.lanes), 'schedule')} start {about}{total:,} times in the next 24 hours."


def of(here: QuerySet[Schedule], now: datetime) -> Timeline:
    """Of the enabled ones among these."""
    begin = now.astimezone(UTC).replace(second=0, microsecond=0)
    begin -= timedelta(minutes=begin.minute % 10)
    wanted = here.filter(enabled=True, gone_at=None).order_by("next_at", "key")
    found = list(wanted[: LOOKED_AT + 1])
    lanes, starting, budget = [], _Starting(begin), TOGETHER
    for schedule in found[:LOOKED_AT]:
        due = spoken.upcoming(schedule, now, min(EACH, max(budget, 1)), now + SPAN)
        budget -= len(due)
        if due:
            starting.add(schedule, due)
            lanes.append(_lane(schedule, due, begin))
    lanes.sort(key=lambda lane: (lane.first, lane.schedule.key))
    bars = tuple(starting.bars())
    return Timeline(
        begin,
        tuple(lanes[:DRAWN]),
        bars,
        tuple(starting.piles()),
        tuple(_hours(begin)),
        max((bar.count for bar in bars), default=0),
        len(found[:LOOKED_AT]) - len(lanes),
        max(len(lanes) - DRAWN, 0) + (len(found) > LOOKED_AT),
    )


class _Starting:
    """Who starts in which ten minutes. A schedule counts once in each, however often it starts there."""

    def __init__(self, begin: datetime) -> None:
        self._begin = begin
        self._counts: Counter[int] = Counter()
        self._who: dict[int, list[tuple[int, Schedule]]] = {}

    def add(self, schedule: Schedule, due: list[datetime]) -> None:
        pieces = {int((one - self._begin) / SLOT) for one in due}
        for piece in pieces:
            self._counts[piece] += 1
            self._who.setdefault(piece, []).append((len(pieces), schedule))

    def bars(self) -> Iterator[Bar]:
        most, usual = max(self._counts.values(), default=1), self._median()
        for piece in range(int(SPAN / SLOT) + 1):
            if count := self._counts[piece]:
                start = self._begin + piece * SLOT
                yield Bar(piece * 10, start, count, round(64 * count / most, 1), self._is_pile(count, usual))

    def piles(self) -> Iterator[Pile]:
        """The largest first. Named are those that start seldom: what starts all the time makes no pile."""
        usual = self._median()
        for piece, count in self._counts.most_common(PILES):
            if self._is_pile(count, usual):
                who = [schedule for _, schedule in sorted(self._who[piece], key=lambda pair: (pair[0], pair[1].key))]
                yield Pile(self._begin + piece * SLOT, tuple(who[:NAMED]), len(who) - len(who[:NAMED]))

    def _median(self) -> int:
        counts = sorted(self._counts[piece] for piece in range(int(SPAN / SLOT)))
        return counts[len(counts) // 2]

    @staticmethod
    def _is_pile(count: int, usual: int) -> bool:
        return count >= PILE and count >= UNUSUAL * usual


def _hours(begin: datetime) -> Iterator[Hour]:
    """Each third hour of the clock."""
    first = begin.replace(minute=0) + timedelta(hours=1)
    for hour in range(24):
        at = first + timedelta(hours=hour)
        if not at.hour % 3:
            yield Hour(int((at - begin).total_seconds() // 60), at, minor=bool(at.hour % 6))


def _lane(schedule: Schedule, due: list[datetime], begin: datetime) -> Lane:
    minutes = sorted({int((one - begin).total_seconds() // 60) for one in due})
    more = len(due) == EACH
    return Lane(schedule, _path(minutes, more), due[0], spoken.words(schedule), len(due), more)


def _path(minutes: list[int], more: bool) -> str:
    """A stroke for each start; a band where they are close together."""
    drawn, at = [], 0
    while at < len(minutes):
        end = at
        while end + 1 < len(minutes) and minutes[end + 1] - minutes[end] < CLOSE:
            end += 1
        last = WIDTH if more and end == len(minutes) - 1 else minutes[end] + 4
        drawn.append(f"M{minutes[at]} 0h{max(min(last, WIDTH + 4) - minutes[at], 4)}v10H{minutes[at]}z")
        at = end + 1
    return "".join(drawn)
