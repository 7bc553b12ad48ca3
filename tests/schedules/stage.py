"""Schedules, and agents that speak for their schedulers, for tests of what can be asked of them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from tests import rows, sealed
from z4j_brain.agents.models import Agent
from z4j_brain.operations import outbox
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules.models import Run, Schedule

BEAT = "celerybeat"
VERBS = ("schedule_enable", "schedule_disable", "schedule_run", "schedule_edit", "schedule_create", "schedule_delete")


def schedule(environment: Environment, key: str = "nightly", **fields: Any) -> Schedule:
    """An enabled one of Celery beat, at 03:00 each day, unless told otherwise."""
    usual = {"source": BEAT, "engine": "celery", "task": "shop.bill", "queue": "slow", "plan": "cron"}
    usual |= {"cron": "0 3 * * *", "text": "0 3 * * *", "zone": "UTC"}
    return Schedule.objects.create(environment=environment, key=key, **usual | fields)


def own(environment: Environment, key: str = "report", **fields: Any) -> Schedule:
    """One of z4j's own."""
    usual = {"source": "z4j", "task": "shop.report", "args": "[7]", "kwargs": '{"to": "all"}', "queue": ""}
    return schedule(environment, key, **usual | fields)


def furnished(environment: Environment, mark: str) -> Schedule:
    """One with a run, full of canaries: the mark stands in every text."""
    texts = dict.fromkeys(("task", "queue", "args", "kwargs", "text", "code", "created_by"), mark)
    row = schedule(environment, mark, **texts, disabled_by=mark, disabled_reason=mark, cannot={"x": mark})
    Run.objects.create(environment=environment, schedule=row, moment=timezone.now(), task_id=mark, why=mark)
    return row


def speaker(environment: Environment, verbs: tuple[str, ...] = VERBS, **fields: Any) -> Agent:
    """The agent of the process that beat runs in, which can do these and whose owner lets it."""
    engines = [
        {"name": BEAT, "version": "5", "capabilities": {verb: {"note": f"by {verb}"} for verb in verbs}},
        {"name": "celery", "version": "5", "capabilities": {"run": {"note": ""}}},
    ]
    usual = {"name": "beat-1", "role": "scheduler", "engines": engines, "allowed": [*verbs, "run"]}
    return rows.agent(environment, **usual | fields)


def answer(agent: Agent, outcome: str = "done", **more: Any) -> list[Any]:
    """The agent takes what waits for it and says the same of all; what it was asked."""
    commands = sealed.lease(agent)
    for command in commands:
        results = [{"item": target["item"], "outcome": outcome, **more} for target in command["targets"]]
        told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "fence": command["fence"]}
        outbox.settle(agent, told | {"results": results})
    return commands
