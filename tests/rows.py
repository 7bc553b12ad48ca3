"""Rows that tests read: tasks, events, agents, workers and operations, each with a mark to tell tenants apart."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from z4j_core import merkle, note

from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.ledger import entries, origin
from z4j_brain.ledger.models import Checkpoint, Entry
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import keys
from z4j_brain.operations import digest
from z4j_brain.operations.models import Command, Item, Operation, Revealed
from z4j_brain.rbac import guardian_rows
from z4j_brain.rbac.access import Held
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Approval, Environment, Freeze, Membership, User
from z4j_brain.rbac.states import Permission, Role
from z4j_brain.tasks.models import Event, Task

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def task(environment: Environment, **fields: Any) -> Task:
    """A failed task of celery unless told otherwise."""
    now = timezone.now()
    usual = {
        "engine": "celery",
        "task_id": f"task-{next(_numbers)}",
        "name": "shop.send_receipt",
        "queue": "emails",
        "state": "failed",
        "first_at": now,
        "last_at": now,
    }
    return Task.objects.create(environment=environment, **usual | fields)


def agent(environment: Environment, *, verbs: tuple[str, ...] = ("retry", "cancel"), **fields: Any) -> Agent:
    """A worker's agent that answers, offers these verbs for celery and allows them."""
    key = AgentKey.objects.filter(environment=environment).first()
    usual = {
        "boot": uuid.uuid4(),
        "name": "mail-1",
        "host": "box-1",
        "role": "worker",
        "engines": [{"name": "celery", "version": "5", "capabilities": {verb: {"note": ""} for verb in verbs}}],
        "allowed": list(verbs),
    }
    return Agent.objects.create(environment=environment, key=key, **usual | fields)


def entry(environment: Environment, name: str = "z4j", **fields: Any) -> Entry:
    """An entry of the brain's own doing: somebody's who goes by this name."""
    usual = {"phase": Phase.REQUEST, "action": "task.retry", "outcome": Outcome.ALLOWED}
    place = {"project": environment.project.slug, "environment": environment.slug}
    return entries.append(actor=replace(SYSTEM, name=name), **usual | place | fields)


def checkpoint() -> Checkpoint:
    """The signed checkpoint of a log that is empty still."""
    name, ring = origin.of_generation(1), keys.ring()
    text = note.sign(note.Checkpoint(name, 0, merkle.EMPTY), name, ring.log_public, ring.sign_log)
    known = {"note": text, "ts": timezone.now()}
    return Checkpoint.objects.get_or_create(generation=1, size=0, defaults=known)[0]


def worker(environment: Environment, **fields: Any) -> Worker:
    return Worker.objects.create(environment=environment, **{"engine": "celery", "name": "mail-1"} | fields)


def queue(environment: Environment, **fields: Any) -> Queue:
    usual = {"engine": "celery", "name": "emails", "depth": 3, "measured_at": timezone.now()}
    return Queue.objects.create(environment=environment, **usual | fields)


def registered(environment: Environment, **fields: Any) -> Registered:
    """A task name that workers of celery know."""
    return Registered.objects.create(environment=environment, **{"engine": "celery", "name": "shop.pay"} | fields)


def event(of: Task, by: Agent, kind: str, at: datetime, **data: Any) -> Event:
    return Event.objects.create(
        environment=of.environment,
        task=of,
        agent=by,
        seq=next(_numbers),
        kind=kind,
        ts=(at - _EPOCH) // timedelta(microseconds=1),
        data=data,
        received_at=at,
    )


def operation(environment: Environment, targets: list[Task], **fields: Any) -> Operation:
    usual = {
        "action": "task.retry",
        "target_kind": "task",
        "actor_type": "user",
        "actor_id": "1",
        "actor_name": "oscar",
        "expires_at": timezone.now() + timedelta(minutes=10),
        "total": len(targets),
    }
    made = Operation.objects.create(environment=environment, **usual | fields)
    Item.objects.bulk_create(Item(operation=made, target_id=str(one.pk), label=one.name) for one in targets)
    return made


def revealed(operation: Operation, **fields: Any) -> Revealed:
    """What an agent has revealed to whoever asked for it."""
    soon = timezone.now() + timedelta(minutes=5)
    command = Command.objects.create(
        operation=operation, environment=operation.environment, engine="celery", verb="reveal", expires_at=soon
    )
    usual = {"blob": b"to somebody alone", "expires_at": soon}
    return Revealed.objects.create(operation=operation, command=command, **usual | fields)


def awaiting(environment: Environment, targets: list[Task], **fields: Any) -> Operation:
    """An operation that waits for somebody else than whoever asked to say yes."""
    made = operation(environment, targets, state="awaiting_approval", **fields)
    made.approval = Approval.objects.create(
        environment=environment,
        action=made.action,
        rule="*",
        target_type="operation",
        target_id=str(made.pk),
        total=made.total,
        digest=digest.of(Operation.objects.get(pk=made.pk)),
        reason=made.reason,
        expires_at=timezone.now() + timedelta(minutes=15),
        **_asked(environment, made.actor_name),
    )
    made.save()
    return made


def freeze(environment: Environment, **fields: Any) -> Freeze:
    """A freeze that is to come tomorrow, unless told otherwise."""
    begin = timezone.now() + timedelta(days=1)
    usual = {"starts_at": begin, "ends_at": begin + timedelta(hours=1), "reason": "a sale", "set_by_name": "somebody"}
    return Freeze.objects.create(environment=environment, **usual | fields)


def wish(environment: Environment, **fields: Any) -> Approval:
    """A request for approval behind which there is no operation."""
    soon = timezone.now() + timedelta(minutes=15)
    usual = {"action": "member.set_role", "target_type": "project", "request": {"what": "Admin"}, "expires_at": soon}
    return Approval.objects.create(environment=environment, **_asked(environment) | usual | fields)


def _asked(environment: Environment, name: str = "") -> dict[str, Any]:
    """By a person of its own, an operator."""
    asker = User.objects.create(username=f"asker-{next(_numbers)}")
    Membership.objects.create(user=asker, project=environment.project, environment=environment, role=Role.OPERATOR)
    guardian_rows.rewrite(asker, environment)
    kept = str(asker.pk)
    return {"requester_type": "user", "requester_id": kept, "requester_name": name, "people": [kept]}


def held(*without: Permission) -> Held:
    """All that one may hold, of everything in a place, but for these."""
    made = Held(set(Permission) - set(without))
    made.reaches = {}
    return made
