"""One call of each action that succeeds for whoever may do it, so that a test can walk the registry."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from django.utils import timezone
from z4j_core.policy import Rule

from tests import rows
from tests.cast import PASSWORD, Cast
from tests.rbac import (
    invocations_of_alerts,
    invocations_of_issues,
    invocations_of_members,  # noqa: F401 (registers its own)
    invocations_of_own,
    invocations_of_schedules,
    invocations_of_views,
)
from tests.rbac.invoking import INVOCATIONS, Invocation, invocation
from z4j_brain.agents import actions as agents
from z4j_brain.agents.models import RedactionRule
from z4j_brain.audit import actions as audit
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.states import AnchorKind, Basis, StreamKind
from z4j_brain.fleet import actions as fleet
from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.ledger.models import Entry
from z4j_brain.operations import actions as operations
from z4j_brain.operations.models import Item, Operation, Revealed
from z4j_brain.operations.states import OperationState
from z4j_brain.rbac import actions as rbac
from z4j_brain.rbac import consent, guarding
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Grant, Group, Invitation
from z4j_brain.rbac.models import Approval, ApprovalPolicy, Freeze, Setup, Token
from z4j_brain.rbac.states import Permission, Role
from z4j_brain.tasks import actions as tasks
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

#: What the one entry tells of that may be erased.
TO_ERASE = "test.erasable"


def prepare(cast: Cast) -> None:
    """What the calls below find: an instance that nobody owns yet, a task in each of two states, a queue, a worker, and
    an operation in each of two.
    """
    prepare_members(cast)
    invocations_of_own.prepare(cast)
    invocations_of_schedules.prepare(cast)
    invocations_of_issues.prepare(cast)
    invocations_of_alerts.prepare(cast)
    invocations_of_views.prepare(cast)
    Setup.objects.update(done_at=None)
    now = timezone.now()
    for state in (TaskState.FAILED, TaskState.QUEUED):
        Task.objects.create(
            environment=cast.production, engine="celery", task_id=state.value, state=state, first_at=now, last_at=now
        )
    Anchor.objects.create(name="near", kind=AnchorKind.SYSLOG, address="tcp://siem.example")
    Stream.objects.create(name="near", kind=StreamKind.SYSLOG, address="tcp://siem.example")
    here = {"environment": cast.production, "engine": "celery", "name": "mail"}
    Queue.objects.create(**here, measured_at=now)
    Worker.objects.create(**here)
    Registered.objects.create(**here)
    for state in (OperationState.PENDING, OperationState.PAUSED):
        operation = Operation.objects.create(
            environment=cast.production,
            action="task.retry",
            target_kind="task",
            actor_type="user",
            actor_id="",
            state=state,
            total=1,
            expires_at=now + timedelta(minutes=10),
        )
        Item.objects.create(operation=operation, target_id="0")
    rows.revealed(operation)
    rows.entry(cast.production, action=TO_ERASE)
    rows.awaiting(cast.production, [Task.objects.get(task_id="failed")])
    rows.freeze(cast.production)
    RedactionRule.objects.create(project=cast.harbor, slug="orders", kind="text", match="ORD-####")
    rows.wish(cast.production)
    ApprovalPolicy.objects.filter(environment=cast.production).update(requests=True)


def prepare_members(cast: Cast) -> None:
    """A group, a grant, an invitation and a service token to do something about."""
    group = Group.objects.create(name="crew", claim="/crew")
    here = {"project": cast.harbor, "environment": cast.production}
    Grant.objects.create(group=group, permission=Permission.RETRY, **here)
    soon = timezone.now() + timedelta(days=7)
    Invitation.objects.create(
        sent_to="friend", role="viewer", link_hash=Invitation.digest("l"), expires_at=soon, project=cast.island.project
    )
    Invitation.objects.create(sent_to="other", role="viewer", link_hash=Invitation.digest("m"), expires_at=soon, **here)
    Token.objects.create(name="ci", kid="service", secret_hash="", scopes=[Permission.VIEW], expires_at=soon, **here)


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


@invocation("task.retry_with")
def retry_with(cast, actor):
    ids, options = [Task.objects.get(task_id="failed").pk], {"args": [], "kwargs": {}}
    return tasks.retry_with(cast.production, ids, options, actor=actor, reason="because")


@invocation("task.move")
def move(cast, actor):
    ids = [Task.objects.get(task_id="queued").pk]
    return tasks.move(cast.production, ids, {"queue": "other"}, actor=actor, reason="because")


@invocation("task.reveal")
def reveal(cast, actor):
    ids, options = [Task.objects.get(task_id="failed").pk], {"to": base64.b64encode(bytes(32)).decode()}
    return tasks.reveal(cast.production, ids, options, actor=actor, reason="because")


@invocation("operation.take_revealed")
def take_revealed(cast, actor):
    operation = Revealed.objects.select_related("operation__environment__project").get().operation
    operation.actor_type, operation.actor_id = actor.type, actor.id  # as if it had been them
    return operations.take_revealed(operation, actor=actor, reason="because")


@invocation("task.run")
def run(cast, actor):
    ids, options = [Registered.objects.get().pk], {"args": [], "kwargs": {}}
    return tasks.run(cast.production, ids, options, actor=actor, reason="because")


def of_operation(name: str) -> Invocation:
    def call(cast: Cast, actor: Actor) -> Any:
        operation = Operation.objects.filter(action="task.retry", actor_id="").earliest("created_at")
        return getattr(operations, name)(operation, actor=actor, reason="because")

    return call


def of_queue(name: str) -> Invocation:
    return lambda cast, actor: getattr(fleet, name)(
        cast.production, [Queue.objects.get().pk], actor=actor, reason="because"
    )


def of_worker(name: str) -> Invocation:
    return lambda cast, actor: getattr(fleet, name)(
        cast.production, [Worker.objects.get().pk], actor=actor, reason="because"
    )


def of_waiting(name: str, *more: str) -> Invocation:
    def call(cast: Cast, actor: Actor) -> Any:
        operation = Operation.objects.get(state=OperationState.AWAITING_APPROVAL)
        return getattr(operations, name)(operation, *more, actor=actor, reason="because")

    return call


def of_approval(name: str) -> Invocation:
    return lambda cast, actor: getattr(consent, name)(
        Approval.objects.get(action="member.set_role"), actor=actor, reason="because"
    )


@invocation("redaction.set_policy")
def set_redaction(cast, actor):
    return agents.set_redaction(cast.production, {"mode": "shapes"}, actor=actor, reason="because")


@invocation("redaction.set_rule")
def set_rule(cast, actor):
    rule = Rule(id="customer", kind="name", match="customer ref", tasks="")
    return agents.set_rule(cast.harbor, rule, actor=actor, reason="because")


@invocation("redaction.remove_rule")
def remove_rule(cast, actor):
    return agents.remove_rule(RedactionRule.objects.get(slug="orders"), actor=actor, reason="because")


INVOCATIONS |= {f"operation.{name}": of_waiting(name) for name in ("approve", "reject")}
INVOCATIONS["operation.break_glass"] = of_waiting("break_glass", "break glass")
INVOCATIONS |= {f"approval.{name}": of_approval(name) for name in ("approve", "reject")}


@invocation("operation.request")
def request(cast, actor):
    ids = [Queue.objects.get().pk]
    return operations.request(cast.production, "queue.purge", ids, actor=actor, reason="because")


@invocation("environment.set_approval_policy")
def set_policy(cast, actor):
    return guarding.set_policy(cast.production, {"minutes": 20}, actor=actor, reason="because")


@invocation("freeze.set")
def set_freeze(cast, actor):
    begin = timezone.now() + timedelta(days=2)
    return guarding.set_freeze(cast.production, begin, begin + timedelta(hours=1), actor=actor, reason="because")


@invocation("freeze.end")
def end_freeze(cast, actor):
    return guarding.end_freeze(Freeze.objects.get(), actor=actor, reason="because")


INVOCATIONS |= {f"operation.{name}": of_operation(name) for name in ("pause", "resume", "cancel", "undo")}
INVOCATIONS |= {f"queue.{name}": of_queue(name) for name in ("pause", "resume", "purge")}
INVOCATIONS |= {
    f"worker.{name}": of_worker(name)
    for name in ("grow", "shrink", "autoscale", "restart_pool", "restart", "stop", "rate_limit", "time_limit")
}


@invocation("anchor.add")
def add_anchor(cast, actor):
    return audit.add_anchor(INSTANCE, "far", AnchorKind.SYSLOG, "tcp://siem.example", actor=actor, reason="because")


@invocation("anchor.remove")
def remove_anchor(cast, actor):
    return audit.remove_anchor(Anchor.objects.get(name="near"), actor=actor, reason="because")


@invocation("siem.add")
def add_stream(cast, actor):
    return audit.add_stream(INSTANCE, "far", StreamKind.SYSLOG, "tcp://siem.example", actor=actor, reason="because")


def of_stream(name: str) -> Invocation:
    return lambda cast, actor: getattr(audit, name)(Stream.objects.get(), actor=actor, reason="because")


INVOCATIONS |= {f"siem.{name}": of_stream(f"{name}_stream") for name in ("pause", "resume", "remove")}


@invocation("task.show")
def show_values(cast, actor):
    failed = Task.objects.select_related("environment__project").get(task_id="failed")
    return tasks.show(failed, actor=actor, reason="because")


@invocation("task.export")
def export(cast, actor):
    return tasks.export(cast.production, {"queue": "emails"}, "csv", payload=False, actor=actor, reason="because")


@invocation("engine.hello")
def hello(cast, actor):
    return tasks.hello(cast.production, ["celery"], actor=actor, reason="because")


@invocation("audit.export")
def export_audit(cast, actor):
    return audit.export(cast.production, {}, actor=actor, reason="because")


@invocation("audit.erase")
def erase_audit(cast, actor):
    ids = Entry.objects.filter(action=TO_ERASE).values_list("pk", flat=True)
    return audit.erase(cast.harbor, list(ids), Basis.UNLAWFUL, actor=actor, reason="because")


@invocation("audit.prune")
def prune_audit(cast, actor):
    return audit.prune(INSTANCE, 1, 7, "0" * 64, actor=actor, reason="because")


@invocation("audit.hold")
def hold_audit(cast, actor):
    return audit.hold(INSTANCE, actor=actor, reason="because")


@invocation("audit.lift_hold")
def lift_hold_audit(cast, actor):
    return audit.lift_hold(INSTANCE, actor=actor, reason="because")
