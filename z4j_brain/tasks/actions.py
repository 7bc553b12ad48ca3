"""What people ask for tasks: run them again, stop them, put dead letters back, send one to see whether it arrives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from z4j_brain.operations import launch
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Operation
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import verbs
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.verbs import KIND

Ids = Sequence[int | str]
Given = Mapping[str, Any] | None


@action(Permission.RETRY, "task.retry")
def retry(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these tasks run again, each under a new id, by an agent that keeps the originals of their arguments."""
    return launch.start(verbs.RETRY, environment, task_ids, options, given, actor, reason, record, claim)


@action(Permission.RUN, "task.retry_with")
def retry_with(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these tasks run again with other arguments, each under a new id."""
    return launch.start(verbs.RETRY_WITH, environment, task_ids, options, given, actor, reason, record, claim)


@action(Permission.CANCEL, "task.cancel")
def cancel(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Ask for these tasks to be stopped, queued or running. An event of the engine says whether they were."""
    operation = launch.start(verbs.CANCEL, environment, task_ids, options, given, actor, reason, record, claim)
    going = operation.items.filter(left_out="").values_list("target_id", flat=True)
    asked = [int(pk) for pk in going]
    Task.objects.filter(environment=environment, pk__in=asked).update(
        cancel_requested_at=timezone.now(), cancel_requested_by=actor.name[:255]
    )
    record.nudge(environment.pk, KIND, [str(pk) for pk in asked])
    return operation


@action(Permission.RETRY, "task.requeue")
def requeue(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Put what the engine gave up and still keeps back into its queue, under its own id."""
    return launch.start(verbs.REQUEUE, environment, task_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_QUEUES, "task.move")
def move(
    environment: Environment,
    task_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Take these tasks out of the queues they wait in and put them into another."""
    return launch.start(verbs.MOVE, environment, task_ids, options, given, actor, reason, record, claim)


@action(Permission.RUN, "task.run")
def run(
    environment: Environment,
    registered_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have workers run tasks of these names, with the arguments of the options."""
    return launch.start(verbs.RUN, environment, registered_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_AGENTS, "engine.hello")
def hello(
    environment: Environment,
    engines: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have a worker of each of these engines send a harmless task of ours, the way of every task."""
    return launch.start(verbs.HELLO, environment, engines, options, given, actor, reason, record, claim)


@action(Permission.VIEW, "task.export")
def export(
    environment: Environment,
    wanted: Mapping[str, str],
    form: str,
    *,
    payload: bool,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Let a list leave as a file: the id of the entry that says who took what. Another one will say how much it was."""
    record.target("environment", environment.pk)
    record.params({"filter": dict(wanted), "format": form, "payload": payload})
    return record.entry_id
