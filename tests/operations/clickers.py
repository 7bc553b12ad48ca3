"""People who ask for the same at the same time, each in a process: some from the oldest on, some from the newest."""

from __future__ import annotations

import sys
import time
import uuid
from functools import partial

import django

if __name__ == "__main__":
    django.setup()

from django.db.models import Count  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests import rows  # noqa: E402
from tests.operations.contenders import apart, say  # noqa: E402
from z4j_brain.operations import asking  # noqa: E402
from z4j_brain.operations.models import Item, Operation  # noqa: E402
from z4j_brain.rbac.actor import Actor  # noqa: E402
from z4j_brain.rbac.models import Environment, User  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

CLICKS = 3
#: More than are read in one query.
TASKS = 1_100


def here() -> Environment:
    return Environment.objects.get(project__slug="harbor", slug="production")


def prepare() -> None:
    rows.agent(here(), boot=uuid.UUID(int=1))
    rows.worker(here())
    now = timezone.now()
    Task.objects.bulk_create(
        Task(environment=here(), engine="celery", task_id=f"t{number}", state="failed", first_at=now, last_at=now)
        for number in range(TASKS)
    )


def click(number: int, start: float) -> None:
    place, actor = here(), Actor.of_user(User.objects.get(username="oscar"))
    order = ("oldest", "newest")[number % 2]
    asked = {"action": "task.retry", "filter": {"state": "failed"}, "options": {"order": order}}
    wish = asking.read(place, actor, asked)
    time.sleep(max(0.0, start - time.time()))
    asking.run(place, actor, wish, "")


def tell() -> None:
    sent = Item.objects.filter(left_out="").values("target_id").annotate(number=Count("pk"))
    left_out = set(Item.objects.exclude(left_out="").values_list("left_out", flat=True))
    say({
        "operations": Operation.objects.count(),
        "items": Item.objects.count(),
        "sent": len(sent),
        "twice": sum(one["number"] > 1 for one in sent),
        "left_out": sorted(left_out),
    })  # fmt: skip


if __name__ == "__main__":
    apart(prepare)
    start = time.time() + float(sys.argv[1])
    apart(*(partial(click, number, start) for number in range(CLICKS)))
    apart(tell)
