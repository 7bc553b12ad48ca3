"""What became of targets, and what that makes of their operation. Called under the locks of whoever settles them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import bulk, nudge
from z4j_brain.operations import verbs
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.operations.states import ItemOutcome, ItemProgress, OperationState
from z4j_brain.rbac.actor import SYSTEM, Actor

_UNDONE = frozenset({ItemOutcome.EXPIRED, ItemOutcome.NO_AGENT, ItemOutcome.UNCONFIRMED})
#: Ends that nothing changes any more. Another may still turn out better than it looked.
_CLOSED = frozenset({OperationState.SUCCEEDED, OperationState.CANCELLED})
#: What waits for somebody's yes does not end by itself, either: it may do something though no agent is asked anything.
_LEFT_ALONE = _CLOSED | {OperationState.AWAITING_APPROVAL}
#: How many targets an entry tells the outcome of one by one.
_NAMED = 500
#: Rows of one UPDATE.
_STEP = 1_000

#: What the brain writes down once an agent has carried out an action, by the action's name.
_FOLLOWING: dict[str, Callable[[Operation, Sequence[Item]], None]] = {}


def on_done(action: str, following: Callable[[Operation, Sequence[Item]], None]) -> None:
    """Called in the `ready()` of the app that owns the action: it is told of the targets on which it took effect."""
    _FOLLOWING[action] = following


def follow(operation: Operation, items: Sequence[Item]) -> None:
    """An agent has answered for these, in the transaction in which that is written down."""
    following = _FOLLOWING.get(operation.action)
    done = [item for item in items if item.outcome == ItemOutcome.DONE] if following else []
    if following and done:
        following(operation, done)


def end(item: Item, outcome: ItemOutcome, detail: str = "") -> None:
    item.progress, item.outcome, item.detail, item.settled_at = ItemProgress.SETTLED, outcome, detail, timezone.now()


def write(items: list[Item]) -> None:
    """What became of them, in one statement: the ORM would take longer than all the rest together."""
    names = ("id", "progress", "outcome", "detail", "new_task_id", "settled_at")
    for step in bulk.batched(items, _STEP):
        rows = [(i.pk, i.progress, i.outcome, i.detail, i.new_task_id, stored(i.settled_at)) for i in step]
        bulk.update(Item, names, rows)


def stored(moment: datetime | None) -> str | None:
    """A time as its column takes it."""
    return None if moment is None else bulk.stored_time(bulk.micros(moment) or 0)


def finish(items: list[Item], actor: Actor = SYSTEM) -> None:
    """Write items that were settled without an agent's answer, and the result of their operations."""
    write(items)
    for pk in sorted({item.operation_id for item in items}):
        outcomes = {item.target_id: str(item.outcome) for item in items[:_NAMED] if item.operation_id == pk}
        done = all(item.outcome == ItemOutcome.DONE for item in items if item.operation_id == pk)
        record(Phase.RESULT, sum_up(pk), result(done), actor, {"outcomes": outcomes})


def doubt(command: Command, detail: str) -> None:
    """What an agent took and never answered for: nobody knows, until events tell."""
    items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
    for item in items:
        if item.progress != ItemProgress.REQUESTED:
            end(item, ItemOutcome.UNKNOWN, detail)
    finish([item for item in items if item.outcome])


def result(done: bool) -> Outcome:
    return Outcome.SUCCEEDED if done else Outcome.FAILED


def sum_up(operation_id: UUID) -> Operation:
    """The operation, locked, with its counts and its state as its items now stand."""
    operation = Operation.objects.select_for_update(of=("self",)).get(pk=operation_id)
    shares = (
        Item.objects.filter(operation=operation).order_by().values_list("outcome", "left_out").annotate(Count("pk"))
    )
    counts: dict[str | None, int] = {}
    left_out = 0
    for outcome, why, number in shares:
        counts[outcome] = counts.get(outcome, 0) + number
        left_out += number if why else 0
    operation.settled = sum(counts.values()) - counts.get(None, 0)
    operation.succeeded = counts.get(ItemOutcome.DONE, 0)
    untried = left_out + counts.get(ItemOutcome.CANCELLED, 0)
    operation.failed = operation.settled - operation.succeeded - untried
    if operation.settled == operation.total and operation.state not in _LEFT_ALONE:
        operation.state = _ending(operation, counts, left_out)
        operation.finished_at = operation.finished_at or timezone.now()
        _forget(operation)
    elif _has_failed_enough(operation):
        operation.state, operation.paused_at = OperationState.PAUSED, timezone.now()
        operation.halted = f"Stopped by itself after {operation.failed} failures."
    operation.save(update_fields=["settled", "succeeded", "failed", "state", "paused_at", "halted", "finished_at"])
    _nudge(operation)
    return operation


def _forget(operation: Operation) -> None:
    """What was typed for the agents alone is not kept any longer than it takes to carry it out."""
    verb = verbs.find(operation.action)
    if verb is not None and verb.options.secret:
        Command.objects.filter(operation=operation).update(params={}, statement=b"")


def _has_failed_enough(operation: Operation) -> bool:
    going = operation.state in (OperationState.PENDING, OperationState.RUNNING) and operation.cancelled_at is None
    return going and operation.halt_at is not None and operation.failed >= operation.halt_at


def _ending(operation: Operation, counts: Mapping[str | None, int], left_out: int) -> OperationState:
    if counts.get(ItemOutcome.CANCELLED):
        return OperationState.CANCELLED
    if operation.succeeded:
        whole = operation.succeeded == operation.total - left_out
        return OperationState.SUCCEEDED if whole else OperationState.PARTIAL
    return OperationState.EXPIRED if any(counts.get(outcome) for outcome in _UNDONE) else OperationState.FAILED


def record(
    phase: Phase,
    operation: Operation,
    outcome: Outcome,
    actor: Actor,
    params: Mapping[str, object],
    reason_code: str = "",
    *,
    entry_id: UUID | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:
    place = operation.environment
    entries.append(
        phase=phase,
        action=operation.action,
        actor=actor,
        outcome=outcome,
        project=place.project.slug,
        environment=place.slug,
        target=("operation", str(operation.pk)),
        params=dict(params),
        parent=operation.entry_id,
        reason_code=reason_code,
        entry_id=entry_id,
        facts=facts,
    )


def _nudge(operation: Operation) -> None:
    nudge.on_commit(operation.environment_id, "operation", [str(operation.pk)])
