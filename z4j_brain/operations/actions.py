"""What people ask of operations that go on: hold on, go on, stop, and take back what can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.lib.problem import Problem
from z4j_brain.lib.words import uncapped
from z4j_brain.operations import approving, launch, outcomes, queries, statements, targets, verbs
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Command, Item, Operation, Revealed
from z4j_brain.operations.states import TERMINAL, CommandState, ItemOutcome, ItemProgress, OperationState, Relation
from z4j_brain.rbac import access
from z4j_brain.rbac.action import Record, Refused, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

_GOING = (OperationState.PENDING, OperationState.RUNNING)


def _own(operation: Operation) -> Permission | None:
    """Who lets it go on asks for what it does."""
    verb = verbs.find(operation.action)
    return verb.permission if verb else None


def _back(operation: Operation) -> Permission | None:
    """What it made is cancelled."""
    verb = verbs.find(operation.action)
    return Permission.CANCEL if verb is not None and verb.undoable else None


@action(Permission.MANAGE_OPERATIONS, "operation.pause")
def pause(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Hand out nothing more of it until it is resumed. What agents have already taken they finish."""
    locked = _locked(operation, record)
    if locked.state == OperationState.PAUSED:
        return locked
    if locked.state not in _GOING:
        raise _conflict(gettext("It is %(state)s: there is nothing to pause.") % _state(locked))
    locked.state, locked.paused_at, locked.halted = OperationState.PAUSED, timezone.now(), ""
    locked.save(update_fields=["state", "paused_at", "halted"])
    return locked


@action(Permission.MANAGE_OPERATIONS, "operation.resume", also=_own)
def resume(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Go on from where it stopped. The time it was paused does not count, and its failures are counted anew."""
    locked = _locked(operation, record)
    if locked.state in _GOING:
        return locked
    if locked.state != OperationState.PAUSED:
        raise _conflict(gettext("It is %(state)s: there is nothing to resume.") % _state(locked))
    if actor.type != "system":
        left = Item.objects.filter(operation=locked, outcome=None).values_list("target_id", flat=True)
        approving.demand_thaw(locked, list(left.order_by().distinct()))
    now = timezone.now()
    stood = now - (locked.paused_at or now)
    locked.expires_at += stood
    locked.state, locked.paused_at, locked.halted = launch.pending(locked), None, ""
    if stop_after := locked.options.get("stop_after"):
        locked.halt_at = locked.failed + stop_after
    if locked.next_at is not None:
        locked.next_at = max(now, locked.next_at)
    locked.save(update_fields=["state", "paused_at", "halted", "halt_at", "next_at", "expires_at"])
    _postpone(locked, stood, record)
    return locked


@action(Permission.MANAGE_OPERATIONS, "operation.cancel")
def cancel(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Take back what no agent has taken yet. What is under way goes on, and what is done stays done."""
    locked = _locked(operation, record)
    if locked.state == OperationState.CANCELLED:
        return locked
    if locked.state in TERMINAL:
        raise _conflict(gettext("It is %(state)s: there is nothing left to cancel.") % _state(locked))
    return _withdraw(locked, actor)


@action(Permission.MANAGE_OPERATIONS, "operation.undo", also=_back)
def undo(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Take back what has not left, and ask for what it enqueued to be cancelled: that is an operation of its own."""
    locked = _locked(operation, record)
    verb = verbs.find(locked.action)
    if verb is None or not verb.undoable:
        raise _conflict(gettext("What it does cannot be taken back."))
    if locked.state not in TERMINAL:
        locked = _withdraw(locked, actor)
    back = verbs.find("task.cancel")
    ids = targets.kind(back.kind).of_engine(locked.environment, queries.made(locked)) if back else []
    if back is None or not ids:
        return locked
    options = {"wait": True}
    given = {"operation": str(locked.pk)}
    return launch.start(
        back, locked.environment, ids, options, given, actor, reason, record, parent=locked, relation=Relation.UNDO
    )


@action(Permission.REQUEST, "operation.request")
def request(
    environment: Environment,
    name: str,
    ids: Sequence[int | str],
    options: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Ask for what only others may do: it waits until one of them approves it."""
    verb = verbs.find(name)
    if verb is None or approving.way(environment, actor, verb) != approving.REQUEST:
        raise Refused(access.Decision(False, True, "role_lacks", gettext("Your role does not let you ask for this.")))
    return launch.start(verb, environment, ids, options, given, actor, reason, record, claim, below=True)


@action(Permission.APPROVE, "operation.approve", phase=Phase.APPROVAL, also=_own, fresh=True)
def approve(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Let go ahead what somebody else has asked for. If it is not what they asked for any more, it is void instead."""
    return approving.approve(_locked(operation, record), actor, reason, record)


@action(Permission.APPROVE, "operation.reject", phase=Phase.APPROVAL)
def reject(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Turn down what somebody else has asked for: nothing of it is done."""
    return approving.reject(_locked(operation, record), actor, reason, record)


@action(Permission.BREAK_GLASS, "operation.break_glass", phase=Phase.APPROVAL, also=_own, fresh=True)
def break_glass(operation: Operation, typed: str, *, actor: Actor, reason: str = "", record: Record) -> Operation:
    """Let it go ahead without a second person, or through a freeze, in an emergency."""
    return approving.break_glass(_locked(operation, record), actor, reason, typed, record)


@action(Permission.REVEAL, "operation.take_revealed")
def take_revealed(operation: Operation, *, actor: Actor, reason: str = "", record: Record) -> Revealed:
    """Hand out what an agent has revealed: once, and to whoever asked for it."""
    record.target("operation", operation.pk)
    record.params({"operation": str(operation.pk)})
    if (operation.actor_type, operation.actor_id) != (actor.type, actor.id):
        raise Refused(access.Decision(False, True, "not_yours", gettext("Only whoever asked for it is given it.")))
    waiting = Revealed.objects.filter(operation=operation, expires_at__gt=timezone.now())
    found = waiting.first()
    if found is None or not waiting.delete()[0]:  # of two who ask at once, one is given it
        detail = gettext("Nothing is revealed here: not yet, or it was taken, or its five minutes are over.")
        raise Problem(404, "not_found", gettext("Not found"), detail)
    return found


def _locked(operation: Operation, record: Record) -> Operation:
    record.target("operation", operation.pk)
    record.params({"operation": str(operation.pk)})
    record.nudge(operation.environment_id, "operation", [str(operation.pk)])
    # Commands before their operation: the order in which everybody locks them.
    list(_going(operation).select_for_update(of=("self",)).values_list("pk", flat=True))
    return Operation.objects.select_for_update(of=("self",)).select_related("environment__project").get(pk=operation.pk)


def _waiting(operation: Operation) -> QuerySet[Command]:
    return Command.objects.filter(operation=operation, state=CommandState.QUEUED).order_by("id")


def _going(operation: Operation) -> QuerySet[Command]:
    states = (CommandState.QUEUED, CommandState.LEASED)
    return Command.objects.filter(operation=operation, state__in=states).order_by("id")


def _postpone(operation: Operation, stood: timedelta, record: Record) -> None:
    _going(operation).update(expires_at=F("expires_at") + stood)
    statements.extend(list(_going(operation)), record)


def _withdraw(operation: Operation, actor: Actor) -> Operation:
    approving.withdraw(operation, actor)
    waiting = list(_waiting(operation).values_list("pk", flat=True))
    Command.objects.filter(pk__in=waiting).update(state=CommandState.WITHDRAWN, settled_at=timezone.now())
    for command in Command.objects.filter(pk__in=waiting, fence__gt=0).order_by("id"):
        outcomes.doubt(command, "An agent took it and had not answered when the rest was taken back.")
    own = Q(command=None)  # what the brain was to do itself
    Item.objects.filter(own | Q(command__in=waiting), operation=operation, outcome=None).update(
        progress=ItemProgress.SETTLED,
        outcome=ItemOutcome.CANCELLED,
        detail=f"Taken back by {actor.name} before an agent took it."[:500],
        settled_at=timezone.now(),
    )
    operation.cancelled_at, operation.cancelled_by = timezone.now(), actor.name[:255]
    operation.state, operation.paused_at, operation.halted = OperationState.RUNNING, None, ""
    operation.save(update_fields=["cancelled_at", "cancelled_by", "state", "paused_at", "halted"])
    return outcomes.sum_up(operation.pk)


def _state(operation: Operation) -> dict[str, str]:
    return {"state": uncapped(operation.get_state_display())}


def _conflict(detail: str) -> Problem:
    return Problem(409, "not_now", gettext("Not in this state"), detail)
