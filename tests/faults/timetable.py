"""Schedules of z4j's own for fault tests. As a module it puts them into a brain's database, or prints what became of
each: its due times as they should have been, and its runs.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import django
from django.utils import timezone

if __name__ == "__main__":
    django.setup()

from z4j_brain.lib import timing  # noqa: E402
from z4j_brain.operations.models import Item  # noqa: E402
from z4j_brain.rbac.models import Environment  # noqa: E402
from z4j_brain.schedules import firing  # noqa: E402
from z4j_brain.schedules.models import Run, Schedule  # noqa: E402

#: Of so many schedules one is due with others, four times a minute; the rest are spread over their interval.
TOGETHER = 5
EVERY = timedelta(seconds=30)


def put(count: int, grace: int) -> None:
    """So many schedules, first due in a moment."""
    place = Environment.objects.get(project__slug="harbor", slug="production")
    begun, made = timezone.now() + timedelta(seconds=2), []
    for number in range(count):
        known: dict[str, Any] = {"plan": "cron", "cron": "*/15 * * * * *"}
        if number % TOGETHER:
            at = begun - EVERY + number / count * EVERY
            known = {"plan": "interval", "every_us": EVERY // timedelta(microseconds=1), "at": at}
        schedule = Schedule(
            environment=place, source="z4j", key=f"s{number}", task="shop.tick", engine="celery",
            grace_us=grace * 1_000_000, counts_from=begun, **known,
        )  # fmt: skip
        schedule.next_at = timing.next_after(firing.plan(schedule), begun)
        made.append(schedule)
    Schedule.objects.bulk_create(made, batch_size=500)


def told() -> dict[str, Any]:
    """Of each schedule what should have been fired, before its next due time; of each run what became of it."""
    expected = {}
    for schedule in Schedule.objects.filter(source="z4j"):
        dues = timing.between(firing.plan(schedule), schedule.counts_from, schedule.next_at or timezone.now(), 10_000)
        expected[schedule.key] = [due.isoformat() for due in dues if due != schedule.next_at]
    settled = dict(Item.objects.filter(operation__target_kind="firing").values_list("target_id", "outcome"))
    runs = []
    for run in Run.objects.select_related("schedule").exclude(due_at=None).order_by("due_at"):
        told = (run.state, run.task_id, run.late_ms, settled.get(str(run.pk)))
        more = timing.between(firing.plan(run.schedule), run.due_at, run.until_at, 10_000) if run.until_at else []
        runs += [[run.schedule.key, due.isoformat(), *told] for due in (run.due_at, *more)]
    return {"expected": expected, "runs": runs}


if __name__ == "__main__":
    if sys.argv[1] == "put":
        put(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == "end":
        Schedule.objects.update(enabled=False)
    else:
        json.dump(told(), sys.stdout)
