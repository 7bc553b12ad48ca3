"""Which runs were sent while an earlier one of their schedule had not finished."""

from __future__ import annotations

from datetime import datetime

from z4j_brain.schedules.models import Run

#: How many runs before it one is compared with, and how many one look judges.
BEFORE, MOST = 20, 500


def judge(schedule: int, since: datetime, until: datetime) -> None:
    """Judge anew the runs from `since` until `until`, and those that come close behind them."""
    rows = (
        Run.objects.filter(schedule=schedule)
        .exclude(fired_at=None)
        .only("moment", "fired_at", "started_at", "finished_at", "overlapped", "asked")
    )
    before = list(rows.filter(moment__lt=since).order_by("-moment", "-task_id")[:BEFORE])[::-1]
    here = list(rows.filter(moment__gte=since, moment__lte=until).order_by("moment", "task_id")[:MOST])
    behind = list(rows.filter(moment__gt=until).order_by("moment", "task_id")[:BEFORE])
    runs = [*before, *here, *behind]
    changed = []
    for at, run in enumerate(runs[len(before) :], len(before)):
        overlapped = any(_lasts(earlier, run) for earlier in runs[max(at - BEFORE, 0) : at])
        if overlapped != run.overlapped:
            run.overlapped = overlapped
            changed.append(run)
    if changed:
        Run.objects.bulk_update(changed, ["overlapped"])


def _lasts(earlier: Run, run: Run) -> bool:
    """Had it begun, and not finished when the other was sent? One that only waits is no overlap, as far as is known."""
    if run.fired_at is None or earlier.fired_at is None or earlier.fired_at > run.fired_at:
        return False
    if earlier.finished_at is not None:
        return earlier.finished_at > run.fired_at
    return earlier.started_at is not None
