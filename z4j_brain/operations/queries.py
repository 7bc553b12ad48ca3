"""Operations of an environment, their items, and what has become of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.http import Http404

from z4j_brain.lib.sheet import harmless
from z4j_brain.operations.models import IdempotencyKey, Item, Operation
from z4j_brain.operations.states import TERMINAL, CommandState, ItemOutcome
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.models import Environment

#: How many operations a page tells of one target.
SHOWN = 20
#: All that went wrong, in a word.
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Share:
    """How many targets of an operation ended this way; `outcome` None: not settled yet."""

    outcome: ItemOutcome | None
    number: int


def operations(actor: Actor, environment: Environment) -> QuerySet[Operation]:
    """Whoever sees only some of the tasks sees the operations that they asked for: others name other tasks."""
    found = rbac.within(Operation.objects.select_related("approval"), actor, environment)
    if rbac.sees_everything(actor, environment):
        return found
    return found.filter(actor_type=actor.type, actor_id=actor.id)


def asked(actor: Actor, environment: Environment, *, by_itself: bool = False) -> QuerySet[Operation]:
    """Those that people and tokens asked for; `by_itself`: those that nobody did, as when z4j's schedules fire."""
    found = operations(actor, environment)
    return found.filter(actor_type=SYSTEM.type) if by_itself else found.exclude(actor_type=SYSTEM.type)


def detail(actor: Actor, environment: Environment, pk: UUID) -> Operation:
    found = operations(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def among(environment: Environment, pks: Collection[UUID]) -> dict[UUID, Operation]:
    """These operations of an environment. For use behind a decision: it asks for no actor."""
    return Operation.objects.filter(environment=environment).in_bulk(list(pks))


def going(environment: Environment) -> dict[str, int]:
    """How many have not ended, by state. For use behind a decision: it asks for no actor."""
    rows = Operation.objects.filter(environment=environment).exclude(state__in=TERMINAL)
    return dict(rows.order_by().values_list("state").annotate(Count("pk")))


def items(operation: Operation) -> QuerySet[Item]:
    """The targets of an operation the actor was already shown."""
    return Item.objects.filter(operation=operation)


def shares(operation: Operation) -> list[Share]:
    """Targets by outcome, most first. An operation has at most as many outcomes as there are words for them."""
    rows = items(operation).order_by().values_list("outcome").annotate(number=Count("pk"))
    found = [Share(ItemOutcome(outcome) if outcome else None, number) for outcome, number in rows]
    return sorted(found, key=lambda share: -share.number)


def unsent(operation: Operation) -> int:
    """Targets that no agent has taken yet."""
    waiting = Item.objects.filter(operation=operation, outcome=None, command__state=CommandState.QUEUED)
    return waiting.count()


def ran_on(operation: Operation) -> list[tuple[str, int]]:
    """The agents that were given targets, and how many, most first."""
    rows = items(operation).exclude(command__leased_by=None).order_by()
    counted = rows.values_list("command__leased_by__name").annotate(number=Count("pk")).order_by("-number")
    return [(name or "", number) for name, number in counted[:SHOWN]]


def table(operation: Operation) -> Iterator[list[str]]:
    """What became of each target, with a line of names first."""
    yield ["target", "part", "label", "outcome", "left_out", "detail", "new_task_id", "settled_at"]
    names = ("target_id", "part", "label", "outcome", "left_out", "detail", "new_task_id", "settled_at")
    for row in items(operation).order_by("id").values_list(*names).iterator(chunk_size=2_000):
        yield [harmless(cell.isoformat() if isinstance(cell, datetime) else str(cell or "")) for cell in row]


def touching(environment: Environment, target_kind: str, target_ids: Sequence[str]) -> list[Item]:
    """What was asked of these targets, newest first: items with their operation."""
    # By target alone, then sifted: joined in, the environment lures SQLite into reading all its operations.
    rows = Item.objects.filter(target_id__in=target_ids).select_related("operation").order_by("-id")[:SHOWN]
    place = (environment.pk, target_kind)
    return [item for item in rows if (item.operation.environment_id, item.operation.target_kind) == place]


def newest(environment: Environment, target_kind: str, target_id: str) -> Item | None:
    """What was asked last of a target whose id other environments use too."""
    rows = Item.objects.filter(target_id=target_id, operation__target_kind=target_kind)
    return rows.filter(operation__environment=environment).select_related("operation").order_by("-id").first()


def made(operation: Operation) -> list[tuple[str, str]]:
    """The tasks that an operation has made, each by its engine and the engine's id."""
    rows = items(operation).exclude(new_task_id="").exclude(command=None).order_by("id")
    return [(engine, task_id) for engine, task_id in rows.values_list("command__engine", "new_task_id")]


def ended_as(operation: Operation, wanted: Collection[str]) -> list[str]:
    """The targets of an operation that ended in one of these ways, in their order; `failed`: any that went wrong."""
    rows = items(operation).exclude(outcome=None).order_by("id")
    if FAILED in wanted:
        rows = rows.filter(left_out="").exclude(outcome__in=(ItemOutcome.DONE, ItemOutcome.CANCELLED))
    else:
        rows = rows.filter(outcome__in=wanted)
    return list(dict.fromkeys(rows.values_list("target_id", flat=True)))


def asked_already(
    environment: Environment, actions: Collection[str], target_ids: Sequence[str]
) -> dict[tuple[str, str], Operation]:
    """Targets, with their part, of which an operation that goes on asks one of these, and the newest of those."""
    rows = Item.objects.filter(
        target_id__in=target_ids, outcome=None, operation__environment=environment, operation__action__in=actions
    )
    found = list(rows.order_by("id").values_list("target_id", "part", "operation_id"))
    known = Operation.objects.in_bulk({operation_id for _, _, operation_id in found})
    return {(target_id, part): known[operation_id] for target_id, part, operation_id in found}


class Past(NamedTuple):
    """What was asked of a target before, and what became of it; `outcome` None: that goes on."""

    target_id: str
    action: str
    outcome: str | None
    operation_id: UUID
    new_task_id: str
    detail: str


def past(environment: Environment, target_kind: str, target_ids: Sequence[str]) -> list[Past]:
    """What is still asked of these targets, what has made a task of them, and what found no arguments; oldest first."""
    rows = Item.objects.filter(
        Q(outcome=None) | Q(outcome__in=(ItemOutcome.DONE, ItemOutcome.ARGS_UNAVAILABLE)),
        target_id__in=target_ids,
        operation__environment=environment,
        operation__target_kind=target_kind,
    )
    told = ("target_id", "operation__action", "outcome", "operation_id", "new_task_id", "detail")
    return [Past(*row) for row in rows.order_by("id").values_list(*told)]


def without_arguments(environment: Environment, target_ids: Sequence[str]) -> dict[str, str]:
    """Targets for which an agent has answered a retry before that it has no arguments, and what it said."""
    rows = Item.objects.filter(
        target_id__in=target_ids, outcome=ItemOutcome.ARGS_UNAVAILABLE, operation__environment=environment
    ).exclude(operation__action="task.reveal")
    return dict(rows.order_by("id").values_list("target_id", "detail"))


def maker(environment: Environment, target_id: str, task_id: str) -> Operation | None:
    """The operation that made the task with this id of its engine's out of a target."""
    rows = Item.objects.filter(target_id=target_id, operation__environment=environment, new_task_id=task_id)
    item = rows.select_related("operation").order_by("-id").first()
    return item.operation if item else None


def of_key(owner: str, key: str) -> IdempotencyKey | None:
    """What somebody has already asked for under this Idempotency-Key."""
    return IdempotencyKey.objects.select_related("operation").filter(owner=owner, key=key).first()


def told(environment: Environment, action: str, target_id: str, since: datetime, often: int = 1) -> set[str]:
    """The parts of a target of which this was asked so often since then, or is still waited for."""
    lately = Q(outcome=None) | Q(operation__created_at__gte=since)
    rows = Item.objects.filter(lately, target_id=target_id, operation__environment=environment)
    parts = Counter(rows.filter(operation__action=action).values_list("part", flat=True))
    return {part for part, times in parts.items() if times >= often}
