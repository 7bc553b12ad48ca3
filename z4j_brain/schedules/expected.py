"""The due times of a schedule that no run is known of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta

from z4j_brain.lib import timing
from z4j_brain.lib.timing import Plan
from z4j_brain.schedules import due
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import Plan as Kind

#: A run is about the due time next to it, if it is no further from it, and nearer than to any other.
NEAR = timedelta(seconds=60)
#: Runs of one schedule that one look takes in.
MOST = 20_000


def unheard(schedule: Schedule, since: datetime, now: datetime, grace: timedelta, most: int) -> list[datetime]:
    """Those later than `since` that were due `grace` ago, the first `most` of them."""
    plan, until = due.plan(schedule), now - grace
    if plan is None:
        return _as_told(schedule, since, until)
    if plan.kind == Kind.INTERVAL:
        return _of_interval(schedule, timedelta(microseconds=plan.every or 0), since, now, grace, most)
    dues = timing.between(plan, since, until, most)
    if not dues:
        return []
    near = _near(plan, dues)
    sent = _moments(schedule, dues[0] - near, dues[-1] + near)
    return [one for one in dues if not _is_among(sent, one, near)]


def upcoming(schedule: Schedule, after: datetime) -> datetime | None:
    """The first due time later than `after`, as far as anybody can tell."""
    plan = due.plan(schedule)
    if plan is None:
        return schedule.next_at if schedule.next_at and schedule.next_at > after else None
    if plan.kind != Kind.INTERVAL:
        return timing.next_after(plan, after)
    every = timedelta(microseconds=plan.every or 0)
    last = Run.objects.filter(schedule=schedule, asked=False).order_by("-moment").first()
    begun = max(_end(last), schedule.counts_from) if last else schedule.counts_from
    return max(begun + every, after + min(every, NEAR))


def _as_told(schedule: Schedule, since: datetime, until: datetime) -> list[datetime]:
    """Its scheduler alone knows when: the next time that it told has passed, and nothing was sent since."""
    at = schedule.next_at
    if at is None or not since < at <= until:
        return []
    later = Run.objects.filter(schedule=schedule, asked=False, moment__gte=at - due.EARLY)
    return [] if later.exists() else [at]


def _of_interval(
    schedule: Schedule, every: timedelta, since: datetime, now: datetime, grace: timedelta, most: int
) -> list[datetime]:
    """It counts from whatever was last. What came late, but within its grace, was not missed."""
    rows = Run.objects.filter(schedule=schedule, asked=False)
    before = rows.filter(moment__lte=since).order_by("-moment").first()
    last = max(_end(before), schedule.counts_from) if before else schedule.counts_from
    found: list[datetime] = []
    for moment in [*map(_end, rows.filter(moment__gt=since).order_by("moment")[:MOST]), None]:
        end = moment - every / 2 if moment else now - grace
        if moment is None or moment - last - every > max(grace, every / 2):
            found += _steps(max(last, since - every), last, every, end, most - len(found))
        if moment is not None:
            last = max(last, moment)
    return [one for one in found if one > since]


def _steps(since: datetime, last: datetime, every: timedelta, end: datetime, most: int) -> Iterator[datetime]:
    number = max((since - last) // every, 0) + 1
    while most > 0 and (step := last + number * every) <= end:
        yield step
        number, most = number + 1, most - 1


def _near(plan: Plan, dues: list[datetime]) -> timedelta:
    """How far a run may be from its due time: not as far as it is from the next one."""
    following = timing.next_after(plan, dues[-1])
    times = [*dues, following] if following else dues
    gaps = (later - earlier for earlier, later in zip(times, times[1:], strict=False))
    return min(NEAR, min(gaps, default=NEAR * 2) / 2.01)


def _moments(schedule: Schedule, since: datetime, until: datetime) -> list[datetime]:
    rows = Run.objects.filter(schedule=schedule, asked=False, moment__gte=since, moment__lte=until)
    return list(rows.order_by("moment").values_list("moment", flat=True)[:MOST])


def _is_among(moments: list[datetime], one: datetime, near: timedelta) -> bool:
    at = bisect_left(moments, one - near)
    return at < len(moments) and moments[at] <= one + near


def _end(run: Run) -> datetime:
    return run.until_at or run.moment
