"""What one of z4j's own schedules is to do now: which of its due times are fired, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from z4j_brain.lib import timing
from z4j_brain.lib.timing import Plan
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import CatchUp, Overlap

#: How late a due time may be fired, and how long an agent may take to come for it, where a schedule does not say.
GRACE: Final = timedelta(seconds=60)
#: Due times of one schedule that one turn fires; what is left is the next turn's.
AT_ONCE: Final = 20
#: Due times that are made up for, of a schedule that makes up for all of them: the oldest ones.
MADE_UP: Final = 100
#: Due times that passed and are counted one by one; of more it is said that they are so many at least.
COUNTED: Final = 500

AWAY: Final = "z4j was not running when it was due."
FOR_ALL: Final = "The next one runs for all that were due while z4j was not running."
TOO_MANY: Final = f"More than {MADE_UP} were due while z4j was not running: no more than that are made up for."
BUSY: Final = "Its last run had not finished."


@dataclass(frozen=True, slots=True)
class Firing:
    """A due time. `why`: it is not fired, for this reason; then it may stand for `times` of them on end, to `until`."""

    due: datetime
    why: str = ""
    times: int = 1
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """`next_at`: when it is due next, after these; None: never again."""

    firings: tuple[Firing, ...]
    next_at: datetime | None


def plan(schedule: Schedule) -> Plan:
    return Plan(schedule.plan, schedule.cron, schedule.every_us, schedule.at, schedule.zone)


def grace(schedule: Schedule) -> timedelta:
    return GRACE if schedule.grace_us is None else timedelta(microseconds=schedule.grace_us)


def turn(schedule: Schedule, now: datetime, *, frozen: str = "", busy: bool = False) -> Turn:
    """What is due by now, in its order. `frozen`: why nothing may be fired; `busy`: a run of it has not finished."""
    first = schedule.next_at
    if first is None or first > now:
        return Turn((), first)
    known, edge = plan(schedule), now - grace(schedule)
    if first < edge:
        missed = [first, *timing.between(known, first, edge - timing.RESOLUTION, COUNTED - 1)]
        fresh = timing.between(known, edge - timing.RESOLUTION, now, AT_ONCE)
    else:
        missed, fresh = [], [first, *timing.between(known, first, now, AT_ONCE - 1)]
    fired = [*_made_up(schedule, missed, fresh, frozen), *(Firing(due) for due in fresh)]
    if frozen:
        fired = [one if one.why else Firing(one.due, frozen) for one in fired]
    last = fresh[-1] if len(fresh) >= AT_ONCE else now
    return Turn(tuple(_spaced(schedule, fired, busy=busy)), timing.next_after(known, last))


def _made_up(schedule: Schedule, missed: list[datetime], fresh: list[datetime], frozen: str) -> list[Firing]:
    """Due times that passed longer ago than anybody waits for."""
    if not missed:
        return []
    if frozen or schedule.catch_up == CatchUp.SKIP:
        return [_skipped(missed, AWAY)]
    if schedule.catch_up == CatchUp.ONCE:
        rest = missed if fresh else missed[:-1]
        return ([_skipped(rest, FOR_ALL)] if rest else []) + [Firing(due) for due in missed[len(rest) :]]
    rest = missed[MADE_UP:]
    return [Firing(due) for due in missed[:MADE_UP]] + ([_skipped(rest, TOO_MANY)] if rest else [])


def _skipped(dues: list[datetime], why: str) -> Firing:
    return Firing(dues[0], why, len(dues), dues[-1] if len(dues) > 1 else None)


def _spaced(schedule: Schedule, firings: list[Firing], *, busy: bool) -> list[Firing]:
    """One after the other, where it is not to run beside itself."""
    if schedule.overlap != Overlap.SKIP:
        return firings
    spaced = []
    for one in firings:
        spaced.append(one if one.why or not busy else Firing(one.due, BUSY))
        busy = busy or not one.why
    return spaced
