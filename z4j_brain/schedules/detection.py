"""Due times that nothing was told of: missed while their scheduler was alive, unknown while nobody knows that it was.

Each turn looks at the schedules for which it is time, each in a transaction of its own and locked, so that any number
of processes may do it. A due time is judged once, after its grace; what is told of it later takes the place of the
judgement. Our own schedules are judged by who sends them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from z4j_brain.lib import drain, nudge
from z4j_brain.lib.listening import Listening
from z4j_brain.schedules import due, expected
from z4j_brain.schedules.models import Run, Schedule, Scheduler
from z4j_brain.schedules.states import GUESSED, OWN, RunState
from z4j_brain.schedules.ticking import MOST as MOST_SCHEDULERS
from z4j_brain.schedules.ticking import alive_at

#: A due time is judged so much later at the earliest; and so much later still where its scheduler is not alive, since
#: what it has to tell may be on its way.
GRACE, UNHEARD = timedelta(seconds=60), timedelta(seconds=60)
#: Schedules of one turn, and rows that one turn makes of one schedule.
SCHEDULES, ROWS = 500, 20
#: Due times of one schedule that one turn judges.
DUES = 5_000
#: A schedule is looked at this often at most.
AGAIN = timedelta(seconds=1)


_listening = Listening()


def turn() -> None:
    """A duty: judge what is due, unless we have only just begun to listen."""
    if _listening.is_settled():
        detect(timezone.now())


def detect(now: datetime) -> None:
    """Judge the due times that are past their grace."""
    waiting = _waiting(now).order_by("check_at").values_list("pk", flat=True)[:SCHEDULES]
    for pk in list(waiting):
        if drain.begun():
            return
        with transaction.atomic():
            rows = _waiting(now).filter(pk=pk)
            if connection.features.has_select_for_update_skip_locked:
                rows = rows.select_for_update(skip_locked=True, of=("self",))
            if schedule := rows.first():
                _look(schedule, now)


def _waiting(now: datetime) -> QuerySet[Schedule]:
    here = Schedule.objects.filter(check_at__lte=now, enabled=True, gone_at=None, told_at__isnull=False)
    return here.exclude(source=OWN)


def _look(schedule: Schedule, now: datetime) -> None:
    schedulers = _schedulers(schedule)
    grace = max([GRACE, *(2 * timedelta(microseconds=one.every_us or 0) for one in schedulers)])
    if not any(one.tick_at >= now - one.patience for one in schedulers):
        grace += UNHEARD
    since = max(schedule.counts_from, schedule.checked_to or schedule.counts_from)
    dues = expected.unheard(schedule, since, now, grace, DUES)
    judged = _judge(schedule, dues, schedulers)
    is_all = judged == len(dues) < DUES
    schedule.checked_to = max(since, now - grace if is_all else dues[judged - 1])
    upcoming = expected.upcoming(schedule, schedule.checked_to) if is_all else now - grace
    schedule.check_at = max(upcoming + grace, now + AGAIN) if upcoming else None
    schedule.next_at = due.next_after(schedule, now)
    schedule.save(update_fields=["check_at", "checked_to", "next_at"])
    if dues:
        nudge.on_commit(schedule.environment_id, "schedule", [str(schedule.pk)])


def _schedulers(schedule: Schedule) -> list[Scheduler]:
    rows = Scheduler.objects.filter(environment=schedule.environment_id, source=schedule.source)
    return list(rows.order_by("-heard_at")[:MOST_SCHEDULERS])


def _judge(schedule: Schedule, dues: Sequence[datetime], schedulers: Sequence[Scheduler]) -> int:
    """Make rows of these due times, of the first ones if that would be too many; how many times they are about."""
    if not dues:
        return 0
    pieces = list(_pieces(dues, schedulers))
    last, number = _last_of_many(schedule, dues[0]), 0
    while last is not None and pieces and pieces[0][0] == last.state:
        _, some = pieces.pop(0)
        last.times, last.until_at = last.times + len(some), some[-1]
        number += len(some)
    if last is not None and number:
        last.save(update_fields=["times", "until_at"])
    made = Run.objects.bulk_create([_row(schedule, state, some) for state, some in pieces[:ROWS]])
    return number + sum(run.times for run in made)


def _pieces(dues: Sequence[datetime], schedulers: Sequence[Scheduler]) -> Iterator[tuple[RunState, list[datetime]]]:
    """What each row is about: one due time, or where there are too many, all on end that are alike."""
    for alive, some in groupby(dues, key=lambda one: alive_at(schedulers, one)):
        state = RunState.MISSED if alive else RunState.UNKNOWN
        if len(dues) > ROWS:
            yield state, list(some)
        else:
            yield from ((state, [one]) for one in some)


def _last_of_many(schedule: Schedule, before: datetime) -> Run | None:
    """The last row before that, if it goes on a long row of due times that nothing was told of."""
    rows = list(Run.objects.filter(schedule=schedule, moment__lt=before).order_by("-moment")[:ROWS])
    if not rows or rows[0].state not in GUESSED:
        return None
    is_long = len(rows) == ROWS and all(row.state == rows[0].state for row in rows)
    return rows[0] if rows[0].times > 1 or is_long else None


def _row(schedule: Schedule, state: RunState, dues: Sequence[datetime]) -> Run:
    heard = "was alive and did not send it" if state == RunState.MISSED else "was not heard of at that time"
    return Run(
        environment_id=schedule.environment_id,
        schedule=schedule,
        moment=dues[0],
        due_at=dues[0],
        state=state,
        why=f"{schedule.source} {heard}.",
        times=len(dues),
        until_at=dues[-1] if len(dues) > 1 else None,
    )
