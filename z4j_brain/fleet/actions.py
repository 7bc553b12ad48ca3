"""What people ask for queues and workers: hold, go on, throw away; resize, restart, stop, limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from z4j_brain.fleet import verbs
from z4j_brain.fleet.models import Queue
from z4j_brain.lib.ids import numbers
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import approving, launch
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Item, Operation
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

Ids = Sequence[int | str]
Given = Mapping[str, Any] | None


@action(Permission.MANAGE_QUEUES, "queue.pause")
def pause(
    environment: Environment,
    queue_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have every worker take nothing more from these queues, until they are resumed."""
    follows = bool(options and verbs.ONLY in options)  # a wish that was there before, unless it has gone meanwhile
    held = Queue.objects.select_for_update().filter(environment=environment, pk__in=numbers(map(str, queue_ids)))
    if follows and any(queue.paused_at is None for queue in held):
        raise Problem(409, "not_now", "Resumed meanwhile")
    operation = launch.start(verbs.PAUSE, environment, queue_ids, options, given, actor, reason, record, claim)
    approving.take_effect(operation)
    return operation


#: These do nothing more than ask.
resume = launch.asking(verbs.RESUME)
purge = launch.asking(verbs.PURGE)
grow = launch.asking(verbs.GROW)
shrink = launch.asking(verbs.SHRINK)
autoscale = launch.asking(verbs.AUTOSCALE)
restart_pool = launch.asking(verbs.RESTART_POOL)
restart = launch.asking(verbs.RESTART)
stop = launch.asking(verbs.STOP)
rate_limit = launch.asking(verbs.RATE_LIMIT)
time_limit = launch.asking(verbs.TIME_LIMIT)


def _hold(operation: Operation) -> None:
    """The queues are paused for whoever comes, too."""
    if verbs.ONLY in operation.options:  # they are: some workers hear of it late
        return
    said = {"paused_by": operation.actor_name, "paused_reason": operation.reason}
    _of(operation, operation.items.filter(left_out="")).update(paused_at=timezone.now(), **said)


def _go_on(operation: Operation) -> None:
    """Also where no worker is left that could be told: else the next one would be told to pause."""
    reached = operation.items.exclude(left_out__in=approving.UNTOUCHED)
    _of(operation, reached).update(paused_at=None, paused_by=None, paused_reason=None)


def _of(operation: Operation, items: QuerySet[Item]) -> QuerySet[Queue]:
    """The queues of these of its targets."""
    asked = items.values_list("target_id", flat=True)
    return Queue.objects.filter(environment=operation.environment, pk__in=numbers(asked))


approving.on_release(verbs.PAUSE.name, _hold)
approving.on_release(verbs.RESUME.name, _go_on, reaching=True)
