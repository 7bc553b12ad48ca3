"""One call of each action that succeeds for whoever may do it, so that a test can walk the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from tests.cast import PASSWORD, Cast
from z4j_brain.agents import actions as agents
from z4j_brain.rbac import actions as rbac
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Setup, Token
from z4j_brain.rbac.states import Permission, Role
from z4j_brain.tasks import actions as tasks
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

Invocation = Callable[[Cast, Actor], Any]
INVOCATIONS: dict[str, Invocation] = {}


def prepare(cast: Cast) -> None:
    """What the calls below find: an instance that nobody owns yet, and a task in each of two states."""
    Setup.objects.update(done_at=None)
    now = timezone.now()
    for state in (TaskState.FAILED, TaskState.QUEUED):
        Task.objects.create(
            environment=cast.production, engine="celery", task_id=state.value, state=state, first_at=now, last_at=now
        )


def invocation(name: str) -> Callable[[Invocation], Invocation]:
    def register(function: Invocation) -> Invocation:
        INVOCATIONS[name] = function
        return function

    return register


@invocation("instance.offer_setup")
def offer_setup(cast, actor):
    return rbac.offer_setup(INSTANCE, actor=actor, reason="because")


@invocation("instance.set_up")
def set_up(cast, actor):
    return rbac.create_owner(INSTANCE, "first", PASSWORD, actor=actor, reason="because")


@invocation("user.create")
def create_user(cast, actor):
    return rbac.create_user(INSTANCE, "newcomer", PASSWORD, actor=actor, reason="because")


@invocation("project.create")
def create_project(cast, actor):
    return rbac.create_project(INSTANCE, "reef", "Reef", owner=cast.user("vera"), actor=actor, reason="because")


@invocation("environment.create")
def create_environment(cast, actor):
    return rbac.create_environment(cast.harbor, "dock", "Dock", actor=actor, reason="because")


@invocation("environment.configure")
def configure_environment(cast, actor):
    return rbac.configure_environment(cast.production, {"tasks_days": 29}, actor=actor, reason="because")


@invocation("member.set_role")
def set_role(cast, actor):
    return rbac.set_membership(cast.staging, cast.user("stan"), Role.VIEWER, actor=actor, reason="because")


@invocation("token.mint")
def mint_token(cast, actor):
    scopes = [Permission.VIEW]
    return rbac.mint_token(cast.user("vera"), name="script", scopes=scopes, actor=actor, reason="because")


@invocation("token.revoke")
def revoke_token(cast, actor):
    return rbac.revoke_token(Token.objects.get(user=cast.user("vera"), name="all"), actor=actor, reason="because")


@invocation("agent_key.mint")
def mint_key(cast, actor):
    return agents.mint_key(cast.production, name="more workers", actor=actor, reason="because")


@invocation("agent_key.revoke")
def revoke_key(cast, actor):
    return agents.revoke_key(cast.agent_key(), actor=actor, reason="because")


@invocation("task.retry")
def retry(cast, actor):
    return tasks.retry(cast.production, [Task.objects.get(task_id="failed").pk], actor=actor, reason="because")


@invocation("task.cancel")
def cancel(cast, actor):
    return tasks.cancel(cast.production, [Task.objects.get(task_id="queued").pk], actor=actor, reason="because")


@invocation("task.requeue")
def requeue(cast, actor):
    return tasks.requeue(cast.production, [Task.objects.get(task_id="failed").pk], actor=actor, reason="because")


@invocation("task.export")
def export(cast, actor):
    return tasks.export(cast.production, {"queue": "emails"}, "csv", payload=False, actor=actor, reason="because")


@invocation("engine.hello")
def hello(cast, actor):
    return tasks.hello(cast.production, ["celery"], actor=actor, reason="because")
