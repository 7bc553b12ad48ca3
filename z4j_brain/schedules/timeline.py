"""The next 24 hours of all schedules: a lane each, and above them how many start in each ten minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils.translation import gettext, ngettext

from z4j_brain.lib.words import number
from z4j_brain.schedules import spoken
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import Plan

#: How far it looks, the pieces that starts are counted in, and the width of the drawing.
SPAN, SLOT, WIDTH = timedelta(hours=24), timedelta(minutes=10), 1440
#: Schedules that are looked at and drawn, starts of one that are worked out one by one, and of all of them together:
#: each costs a good part of a tenth of a millisecond.
LOOKED_AT, DRAWN, EACH, TOGETHER = 500, 120, 60, 8_000
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
class Starts:
    """When one starts, as far as that was worked out one by one, and `about` when after that."""

    times: tuple[datetime, ...]
    about: tuple[datetime, ...]
    cost: int


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
            return gettext("Nothing starts in the next 24 hours.")
        total = sum(lane.count for lane in self.lanes)
        told = {"n": number(len(self.lanes)), "total": number(total)}
        if self.left_out or any(lane.more for lane in self.lanes):
            return (
                ngettext(
                    "%(n)s schedule starts at least %(total)s times in the next 24 hours.",
                    "%(n)s schedules start at least %(total)s times in the next 24 hours.",
                    len(self.lanes),
                )
                % told
            )
        return (
            ngettext(
                "%(n)s schedule starts %(total)s times in the next 24 hours.",
                "%(n)s schedules start %(total)s times in the next 24 hours.",
                len(self.lanes),
            )
            % told
        )


def of(here: QuerySet[Schedule], now: datetime) -> Timeline:
    """Of the enabled ones among these."""
    begin = now.astimezone(UTC).replace(second=0, microsecond=0)
    begin -= timedelta(minutes=begin.minute % 10)
    enabled = here.filter(enabled=True, gone_at=None)
    wanted = enabled.filter(Q(next_at=None) | Q(next_at__lte=now + SPAN)).order_by("next_at", "key")
    found = list(wanted[: LOOKED_AT + 1])
    lanes, starting, known, budget, skipped = [], _Starting(begin), {}, TOGETHER, 0
    for schedule in found[:LOOKED_AT]:
        like = _like(schedule)
        if like not in known and budget > 0:
            known[like] = starts = _starts(schedule, now)
            budget -= starts.cost
        if like not in known:
            skipped += 1
        elif known[like].times:
            starting.add(schedule, known[like])
            lanes.append(_lane(schedule, known[like], begin))
    lanes.sort(key=lambda lane: (lane.first, lane.schedule.key))
    bars = tuple(starting.bars())
    return Timeline(
        begin,
        tuple(lanes[:DRAWN]),
        bars,
        tuple(starting.piles()),
        tuple(_hours(begin)),
        max((bar.count for bar in bars), default=0),
        enabled.count() - len(lanes) - skipped - max(wanted.count() - LOOKED_AT, 0),
        max(len(lanes) - DRAWN, 0) + skipped + max(wanted.count() - LOOKED_AT, 0),
    )


class _Starting:
    """Who starts in which ten minutes. A schedule counts once in each, however often it starts there."""

    def __init__(self, begin: datetime) -> None:
        self._begin = begin
        self._counts: Counter[int] = Counter()
        self._who: dict[int, list[tuple[int, Schedule]]] = {}

    def add(self, schedule: Schedule, starts: Starts) -> None:
        pieces = {int((one - self._begin) / SLOT) for one in (*starts.times, *starts.about)}
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


def _like(schedule: Schedule) -> tuple[object, ...]:
    """What is alike starts alike: many tenants have one plan."""
    counted = schedule.next_at if schedule.every_us or schedule.plan == Plan.OTHER else None
    return (schedule.plan, schedule.cron, schedule.every_us, schedule.at, schedule.zone, counted)


def _starts(schedule: Schedule, now: datetime) -> Starts:
    """One by one as far as that goes; beyond, hour by hour, the pieces of each in which there is one."""
    end = now + SPAN
    times = spoken.upcoming(schedule, now, EACH, end)
    if len(times) < EACH:
        return Starts(tuple(times), (), max(len(times), 5))
    about, hour = [], times[-1]
    while hour < end:
        following = hour + timedelta(hours=1)
        if spoken.upcoming(schedule, hour, 1, min(following, end)):
            about += [piece for at in range(6) if (piece := hour + at * SLOT) < end]
        hour = following
    return Starts(tuple(times), tuple(about), EACH + 24)


def _lane(schedule: Schedule, starts: Starts, begin: datetime) -> Lane:
    minutes = {int((one - begin).total_seconds() // 60) for one in (*starts.times, *starts.about)}
    more = bool(starts.about)
    return Lane(schedule, _path(sorted(minutes)), starts.times[0], spoken.words(schedule), len(starts.times), more)


def _path(minutes: list[int]) -> str:
    """A stroke for each start; a band where they are close together."""
    drawn, at = [], 0
    while at < len(minutes):
        end = at
        while end + 1 < len(minutes) and minutes[end + 1] - minutes[end] < CLOSE:
            end += 1
        last = min(minutes[end], WIDTH) + 4
        drawn.append(f"M{minutes[at]} 0H{last}v10H{minutes[at]}z")
        at = end + 1
    return "".join(drawn)
