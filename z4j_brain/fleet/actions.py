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
from z4j_brain.operations import launch
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Operation
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
    if follows:
        return operation
    _of(environment, operation).update(paused_at=timezone.now(), paused_by=actor.name[:255], paused_reason=reason[:500])
    return operation


@action(Permission.MANAGE_QUEUES, "queue.resume")
def resume(
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
    """Have every worker take from these queues again."""
    operation = launch.start(verbs.RESUME, environment, queue_ids, options, given, actor, reason, record, claim)
    # Also where no worker is left that could be told: else the next one would be told to pause.
    here = Queue.objects.filter(environment=environment, pk__in=numbers(map(str, queue_ids)))
    here.update(paused_at=None, paused_by=None, paused_reason=None)
    return operation


@action(Permission.PURGE, "queue.purge")
def purge(
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
    """Throw away what waits in these queues."""
    return launch.start(verbs.PURGE, environment, queue_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.grow")
def grow(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers run more tasks at once."""
    return launch.start(verbs.GROW, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.shrink")
def shrink(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers run fewer tasks at once."""
    return launch.start(verbs.SHRINK, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.autoscale")
def autoscale(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers keep their slots between two numbers."""
    return launch.start(verbs.AUTOSCALE, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.restart_pool")
def restart_pool(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers replace the processes that run tasks."""
    return launch.start(verbs.RESTART_POOL, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.restart")
def restart(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers end warmly and come back by themselves."""
    return launch.start(verbs.RESTART, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.stop")
def stop(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers end warmly."""
    return launch.start(verbs.STOP, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.rate_limit")
def rate_limit(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers start no more than so many tasks of one name."""
    return launch.start(verbs.RATE_LIMIT, environment, worker_ids, options, given, actor, reason, record, claim)


@action(Permission.MANAGE_WORKERS, "worker.time_limit")
def time_limit(
    environment: Environment,
    worker_ids: Ids,
    options: Given = None,
    given: Given = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these workers end tasks of one name that run too long."""
    return launch.start(verbs.TIME_LIMIT, environment, worker_ids, options, given, actor, reason, record, claim)


def _of(environment: Environment, operation: Operation) -> QuerySet[Queue]:
    """The queues of which something is asked."""
    asked = operation.items.filter(left_out="").values_list("target_id", flat=True)
    return Queue.objects.filter(environment=environment, pk__in={int(pk) for pk in asked})
