"""The same for schedules of z4j's own."""

from __future__ import annotations

from tests.cast import Cast
from tests.rbac.invoking import invocation
from z4j_brain.schedules import own, showing
from z4j_brain.schedules.models import Schedule

KEY = "to-be-changed"


def prepare(cast: Cast) -> None:
    """One to be changed."""
    plan = {"plan": "interval", "every_us": 60_000_000}
    Schedule.objects.create(environment=cast.production, source="z4j", key=KEY, task="t", engine="celery", **plan)


@invocation("own_schedule.create")
def create(cast, actor):
    told = {"key": "more", "task": "shop.report", "engine": "celery", "cron": "0 7 * * *"}
    return own.create(cast.production, told, actor=actor, reason="because")


@invocation("own_schedule.edit")
def edit(cast, actor):
    return own.edit(Schedule.objects.get(key=KEY), {"queue": "mail"}, 1, actor=actor, reason="because")


@invocation("schedule.show")
def show(cast, actor):
    return showing.show(Schedule.objects.get(key=KEY), actor=actor, reason="because")
