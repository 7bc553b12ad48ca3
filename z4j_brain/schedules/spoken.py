"""A schedule's plan as people read it: in words, its next times, in its own zone, and what changed clocks do to it.

What a scheduler told may be beyond us: then its own text stands, and the one next time that it told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice

from django.utils.translation import gettext

from z4j_brain.lib import timing
from z4j_brain.lib.timing import Change, Kind, Plan
from z4j_brain.lib.words import day
from z4j_brain.schedules import due
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN

#: Times that a page tells ahead, and how far ahead it looks for them.
AHEAD, FAR = 5, timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a change of the clocks does to one schedule. `then`: what comes of it, where that is known."""

    schedule: Schedule
    change: Change

    @property
    def then(self) -> str:
        if self.schedule.source == OWN:
            return self.change.then
        told = gettext("What %(source)s does then is its own rule: look at its first run after that.")
        return told % {"source": self.schedule.source}


def words(schedule: Schedule) -> str:
    """`Every weekday at 07:30`; what its scheduler says where that is all there is."""
    found = due.plan(schedule)
    return (timing.words(found) if found else "") or schedule.text or schedule.cron or schedule.get_plan_display()


def where(schedule: Schedule) -> tzinfo:
    """Its own zone; UTC where nobody knows that zone."""
    try:
        return timing.zone(schedule.zone)
    except ValueError:
        return UTC


def clock(schedule: Schedule, moment: datetime) -> str:
    """`Sat 28 Nov 02:30` in its own zone, with seconds where there are some."""
    here = moment.astimezone(where(schedule))
    return day(here, "D j M H:i:s" if here.second else "D j M H:i")


def upcoming(schedule: Schedule, now: datetime, most: int = AHEAD, until: datetime | None = None) -> list[datetime]:
    """The next times, and not later than `until`; none where it is gone or disabled."""
    if schedule.gone_at is not None or not schedule.enabled:
        return []
    found = due.plan(schedule)
    times = timing.between(_counted(schedule, found), now, until or now + FAR, most) if found else []
    if found is None and schedule.next_at:
        times = [schedule.next_at] if until is None or schedule.next_at <= until else []
    return times


def _counted(schedule: Schedule, found: Plan) -> Plan:
    """An interval of a scheduler that counts from its last run is counted from the next one it told."""
    if found.kind == Kind.INTERVAL and found.at is None and schedule.next_at and found.every:
        return replace(found, at=schedule.next_at - timedelta(microseconds=found.every))
    return found


def changes(schedules: Iterable[Schedule], now: datetime, most: int = 50) -> list[Notice]:
    """What the clocks of the coming year do to these, the soonest first. Many schedules share a zone and a plan."""
    known: dict[Plan, list[Change]] = {}
    notices = []
    for schedule in islice(schedules, most):
        found = due.plan(schedule) if schedule.gone_at is None and schedule.enabled else None
        if found is not None:
            if found not in known:
                known[found] = timing.changes(found, now)
            notices += [Notice(schedule, change) for change in known[found]]
    return sorted(notices, key=lambda notice: notice.change.shift.at)
