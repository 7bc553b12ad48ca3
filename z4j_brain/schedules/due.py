"""For when a schedule was due, as far as its plan can be worked out here."""

from __future__ import annotations

from datetime import datetime, timedelta

from z4j_brain.lib import timing
from z4j_brain.lib.timing import Plan
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.states import Plan as Kind

#: A scheduler's clock, and its sense of being due, may be so far ahead of the time it fires for.
EARLY = timedelta(seconds=1)
#: How far back the last due time is looked for, and how many of them one look may come upon.
_BACK = (timedelta(minutes=2), timedelta(hours=2), timedelta(days=2), timedelta(days=62), timedelta(days=400))
_MOST = 8_000


def plan(schedule: Schedule) -> Plan | None:
    """None: its times cannot be worked out here."""
    told = Plan(schedule.plan, schedule.cron, schedule.every_us, schedule.at, schedule.zone)
    try:
        return None if schedule.plan == Kind.OTHER else timing.parse(told)
    except ValueError:
        return None


def last_before(schedule: Schedule, moment: datetime) -> datetime | None:
    """The due time that something was sent for at this moment: of those since its plan is what it is, the last one.

    None for an interval, which counts from whatever was last.
    """
    known = plan(schedule)
    if known is None or known.kind == Kind.INTERVAL:
        return None
    if known.kind == Kind.ONCE:
        found = [known.at] if known.at and known.at <= moment + EARLY else []
    else:
        looks = (timing.between(known, moment - back, moment + EARLY, _MOST) for back in _BACK)
        found = next((times for times in looks if times), [])
    return found[-1] if found and found[-1] >= schedule.plan_from - EARLY else None


def following(schedule: Schedule, moment: datetime) -> datetime | None:
    """What comes after one of its due times."""
    known = plan(schedule)
    if known is None or known.kind != Kind.INTERVAL:
        return None if known is None else timing.next_after(known, moment)
    return moment + timedelta(microseconds=known.every or 0)


def next_after(schedule: Schedule, moment: datetime) -> datetime | None:
    """Its next due time, later than `moment`; what its scheduler told where nobody else can know."""
    if not schedule.enabled or schedule.gone_at is not None:
        return None
    known = plan(schedule)
    if known is None:
        return schedule.next_at
    if known.kind != Kind.INTERVAL or schedule.source == OWN:
        return timing.next_after(known, moment)
    every = timedelta(microseconds=known.every or 0)
    begun = schedule.last_at or schedule.next_at or schedule.counts_from
    return begun + max((moment - begun) // every + 1, 0) * every
