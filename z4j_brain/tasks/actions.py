"""What people ask for tasks: run them again, stop them, put dead letters back, send one, see what stands in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from z4j_brain.lib import nudge
from z4j_brain.operations import approving, launch
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


#: These do nothing more than ask.
retry = launch.asking(verbs.RETRY)
retry_with = launch.asking(verbs.RETRY_WITH)
requeue = launch.asking(verbs.REQUEUE)
move = launch.asking(verbs.MOVE)
reveal = launch.asking(verbs.REVEAL)
run = launch.asking(verbs.RUN)
hello = launch.asking(verbs.HELLO)


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
    approving.take_effect(operation)
    return operation


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
    """Let a list leave as a file: the id of the entry that says who took what. Another one will say how much it was.

    With values, where the environment asks for reasons, only with one: it is as if each of these tasks was shown.
    """
    if payload:
        launch.demand_reason(environment, reason)
    record.target("environment", environment.pk)
    record.params({"filter": dict(wanted), "format": form, "payload": payload})
    return record.entry_id


@action(Permission.VIEW_PAYLOAD, "task.show")
def show(task: Task, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Let somebody see the values of one task: the entry says who looked, and why where the environment asks for it."""
    launch.demand_reason(task.environment, reason)
    record.target(KIND, task.pk)
    record.nudge(task.environment_id, KIND, [str(task.pk)])


def _mark(operation: Operation) -> None:
    """The tasks tell at once that somebody wants them stopped."""
    going = operation.items.filter(left_out="").values_list("target_id", flat=True)
    asked = [int(pk) for pk in going]
    Task.objects.filter(environment=operation.environment, pk__in=asked).update(
        cancel_requested_at=timezone.now(), cancel_requested_by=operation.actor_name
    )
    nudge.on_commit(operation.environment_id, KIND, [str(pk) for pk in asked])


approving.on_release(verbs.CANCEL.name, _mark)
