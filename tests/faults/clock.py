"""One turn of housekeeping, at whatever time the clock of its process shows; prints what has been fired by then."""

from __future__ import annotations

import json
import sys

import django
from django.utils import timezone

if __name__ == "__main__":
    django.setup()

from z4j_brain.lib import timing  # noqa: E402
from z4j_brain.rbac.models import Environment  # noqa: E402
from z4j_brain.schedules import dispatch_turn, firing  # noqa: E402
from z4j_brain.schedules.models import Run, Schedule  # noqa: E402

#: A time of day, and what follows the clocks; both in an hour that is skipped in spring and comes twice in autumn.
PLANS = {"fixed": "30 2 * * *", "wild": "*/30 2 * * *"}


def put() -> None:
    place = Environment.objects.get(project__slug="harbor", slug="production")
    for key, cron in PLANS.items():
        known = {"plan": "cron", "cron": cron, "zone": "Europe/Berlin", "task": "shop.tick", "engine": "celery"}
        schedule = Schedule(environment=place, source="z4j", key=key, **known)
        schedule.next_at = timing.next_after(firing.plan(schedule), timezone.now())
        schedule.save()


if __name__ == "__main__":
    if "put" in sys.argv:
        put()
    dispatch_turn.turn()
    rows = Run.objects.order_by("due_at", "schedule").values_list("schedule__key", "due_at", "state")
    json.dump([[key, f"{due:%m-%d %H:%M}", state] for key, due, state in rows if due], sys.stdout)
