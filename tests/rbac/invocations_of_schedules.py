"""One call of each action on schedules that succeeds for whoever may do it."""

from __future__ import annotations

from tests.cast import Cast
from tests.rbac.invoking import INVOCATIONS, Invocation, invocation
from tests.schedules import stage
from z4j_brain.schedules import actions, importing
from z4j_brain.schedules.models import Schedule

_KEY = "one of beat"


def prepare(cast: Cast) -> None:
    stage.schedule(cast.production, _KEY)


def of_schedule(name: str, options: dict[str, str]) -> Invocation:
    return lambda cast, actor: getattr(actions, name)(
        cast.production, [Schedule.objects.get(key=_KEY).pk], options, actor=actor, reason="because"
    )


INVOCATIONS |= {f"schedule.{name}": of_schedule(name, {}) for name in ("enable", "disable", "run", "delete")}
INVOCATIONS["schedule.edit"] = of_schedule("edit", {"cron": "0 4 * * *"})


@invocation("schedule.create")
def create(cast, actor):
    options = {"task": "shop.tidy", "cron": "0 4 * * *"}
    return actions.create(cast.production, [f"{stage.BEAT}/weekly"], options, actor=actor, reason="because")


@invocation("own_schedule.import")
def take_in(cast, actor):
    text, usual = "0 4 * * * shop.tidy", {"engine": "celery"}
    return importing.take_in(cast.production, text, usual, actor=actor, reason="because")
