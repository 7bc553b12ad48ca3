"""One call of each action on issues that succeeds for whoever may do it."""

from __future__ import annotations

from tests.cast import Cast
from tests.issues import stage
from tests.rbac.invoking import INVOCATIONS, Invocation
from z4j_brain.issues import actions
from z4j_brain.issues.models import Issue

_NAME = "shop.invoked"


def prepare(cast: Cast) -> None:
    stage.issue(cast.production, name=_NAME)


def of_issue(name: str, *more: object) -> Invocation:
    return lambda cast, actor: getattr(actions, name)(
        Issue.objects.select_related("environment__project").get(name=_NAME), *more, actor=actor, reason="because"
    )


INVOCATIONS |= {f"issue.{name}": of_issue(name) for name in ("resolve", "snooze", "reopen")}
INVOCATIONS["issue.assign"] = of_issue("assign", None)
