"""Operations that wait for somebody else's yes: held when they are asked for, released, or ended without effect.

The targets and commands of a held operation stand in the database like those of any other; while it waits, the outbox
gives nothing of it away. Called in the transaction of an action, or of housekeeping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext

from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import nudge
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.lib.words import number, uncapped
from z4j_brain.operations import digest, outcomes, plan, statements, targets, verbs
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.operations.plan import Plan
from z4j_brain.operations.states import CommandState, ItemOutcome, ItemProgress, LeftOut, OperationState
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import access, approvals, freezes, policies
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.action import Record, Refused
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.models import Approval, Environment
from z4j_brain.rbac.policies import Policy
from z4j_brain.rbac.states import ApprovalState, Permission

#: The rules by which an operation waits, beside those of the policy.
FROZEN, REQUEST = freezes.FROZEN, "request"
#: What whoever lacks the right to it may ask an approver for.
REQUESTABLE = frozenset({Permission.PURGE, Permission.MANAGE_WORKERS})
_ROUND = 200

#: What an action does in the brain beside asking agents, by its name: at once, or when it is released.
_EFFECTS: dict[str, Callable[[Operation], None]] = {}
#: Actions of which that happens to targets, too, of which no agent is asked anything.
_REACHING: set[str] = set()
#: Targets to which nothing ever happens.
UNTOUCHED = frozenset({LeftOut.NOT_PERMITTED, LeftOut.GONE})


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an operation waits. `rule`: of the policy; or that it is frozen, or that it was asked from below."""

    rule: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a preview says about approval. `rule` is empty where none is needed; `inactive` says why none is asked for,
    although the policy would; `frozen`, what is not done now.
    """

    rule: str = ""
    minutes: int = 0
    inactive: str = ""
    frozen: str = ""
    people: tuple[str, ...] = ()


def on_release(action: str, effect: Callable[[Operation], None], *, reaching: bool = False) -> None:
    """Called in the `ready()` of the app that owns the action. `reaching`: it happens to targets of which no agent is
    asked anything, too, but for those that are not the actor's to change.
    """
    _EFFECTS[action] = effect
    if reaching:
        _REACHING.add(action)


def take_effect(operation: Operation) -> None:
    """What the action does in the brain, unless it waits; the operation is then as that has left it."""
    effect = _EFFECTS.get(operation.action)
    if effect is not None and operation.state != OperationState.AWAITING_APPROVAL:
        with translation.override("en"):  # what it keeps is in one language, whoever asks
            effect(operation)
        operation.refresh_from_db()


def demand(environment: Environment, agreed: Plan, actor: Actor, *, below: bool = False) -> Hold | None:
    """Why this has to wait; None when it may go ahead. Refused while the environment is frozen.

    Whoever may break the glass may prepare it even then: it waits until they do, or the freeze is over.
    """
    number = _number(agreed)
    if actor.type == "system" or not number:
        return None
    policy = policies.of(environment)
    if freeze := freezes.over(environment, agreed.verb.name, number):
        if not access.decide(actor, Permission.BREAK_GLASS, environment).allow or actor.token is not None:
            raise Refused(freezes.refusal(freeze))
        return Hold(FROZEN, policy)
    if below:
        return Hold(REQUEST, policy)
    rule = policy.rule(agreed.verb.name, number)
    return Hold(rule, policy) if rule and policies.standing(environment, policy).is_active else None


def outlook(environment: Environment, agreed: Plan, actor: Actor) -> Outlook:
    """What `demand` would say, in words, for a preview."""
    number, policy = _number(agreed), policies.of(environment)
    if not number:
        return Outlook()
    freeze = freezes.over(environment, agreed.verb.name, number)
    frozen = freezes.refusal(freeze).reason if freeze else ""
    below = way(environment, actor, agreed.verb) == REQUEST
    rule = REQUEST if below else policy.rule(agreed.verb.name, number)
    if not rule:
        return Outlook(frozen=frozen)
    standing = policies.standing(environment, policy)
    names = tuple(name for name in standing.people if actor.user is None or name != actor.user.get_username())
    if not standing.is_active and not below:
        return Outlook(frozen=frozen, inactive=standing.why)
    return Outlook(rule, policy.minutes, frozen=frozen, people=names)


def _number(agreed: Plan) -> int:
    """Targets to which something happens, each counted once."""
    if agreed.verb.name in _REACHING:
        return len({one.id for one in agreed.candidates if one.left_out not in UNTOUCHED})
    return len({one.id for one in agreed.able})


def way(environment: Environment, actor: Actor, verb: Verb) -> str:
    """How the actor comes to what they want: "do" it, "request" it of an approver, or not at all: empty."""
    if access.decide(actor, verb.permission, environment).allow:
        return "do"
    if verb.permission not in REQUESTABLE or not access.decide(actor, Permission.REQUEST, environment).allow:
        return ""
    if not policies.of(environment).requests:
        return ""
    mine = approvals.people(actor)
    return REQUEST if any(str(one.pk) not in mine for one in policies.approvers(environment)) else ""


def hold(operation: Operation, wanted: Hold | None) -> None:
    """Before it is written: it waits, and its time begins when the wait is over at the latest."""
    if wanted is not None:
        operation.state = OperationState.AWAITING_APPROVAL
        operation.expires_at += timedelta(minutes=wanted.policy.minutes)


def seal(operation: Operation, wanted: Hold | None, actor: Actor, record: Record) -> None:
    """After its targets and commands are written: the request for approval is bound to them as they stand."""
    if wanted is None:
        return
    operation.approval = approvals.begin(
        operation.environment,
        actor,
        action=operation.action,
        rule=wanted.rule,
        policy=wanted.policy,
        target=(approvals.OPERATION, str(operation.pk)),
        digest=digest.of(operation),
        total=operation.total,
        reason=operation.reason,
    )
    operation.save(update_fields=["approval"])
    record.params({"approval": str(operation.approval.pk), "approval_digest": operation.approval.digest})
    record.waits()
    nudge.on_commit(operation.environment_id, "approval", [str(operation.approval.pk)])


def approve(operation: Operation, actor: Actor, reason: str, record: Record) -> Operation:
    """Let it go ahead, if it is still what was asked for; else it is void."""
    approval = _waiting(operation)
    _demand_other(approval, actor)
    _demand_own_right(operation, actor)
    demand_thaw(operation, _asked(operation))
    record.params({"approval": str(approval.pk), "approval_digest": approval.digest})
    if why := _void(operation, approval):
        return _end(operation, ApprovalState.VOIDED, SYSTEM, why)
    if not approvals.agree(approval, actor, reason):
        return operation
    return _release(operation, record)


def break_glass(operation: Operation, actor: Actor, reason: str, typed: str, record: Record) -> Operation:
    """Let it go ahead without a second person. It is told to everybody at once, and for a day."""
    approval = _waiting(operation)
    faults = []
    if not reason.strip():
        faults.append(Fault(pointer="#/reason", detail=gettext("Say why it cannot wait.")))
    if typed.strip().lower() != approvals.WORDS:
        faults.append(Fault(pointer="#/confirm", detail=gettext("Type %(words)s.") % {"words": approvals.WORDS}))
    if faults:
        raise invalid(faults)
    record.params({"approval": str(approval.pk), "approval_digest": approval.digest})
    if why := _void(operation, approval):
        return _end(operation, ApprovalState.VOIDED, SYSTEM, why)
    approvals.close(approval, ApprovalState.BROKEN, actor, reason)
    return _release(operation, record)


def reject(operation: Operation, actor: Actor, reason: str, record: Record) -> Operation:
    approval = _waiting(operation)
    _demand_other(approval, actor)
    if not reason.strip():
        raise invalid([Fault(pointer="#/reason", detail=gettext("Say why, for whoever asked."))])
    record.params({"approval": str(approval.pk)})
    return _end(operation, ApprovalState.REJECTED, actor, reason)


def withdraw(operation: Operation, actor: Actor, reason: str = "") -> None:
    """Whoever may take the operation back has done so."""
    if operation.state == OperationState.AWAITING_APPROVAL and operation.approval_id:
        approvals.close(approvals.locked(operation.approval_id), ApprovalState.WITHDRAWN, actor, reason)
        _tell(operation)


def expire(now: datetime | None = None) -> None:
    """What nobody has answered in time ends."""
    moment = now or timezone.now()
    due = Operation.objects.filter(state=OperationState.AWAITING_APPROVAL, approval__expires_at__lte=moment)
    for pk in list(due.order_by("pk").values_list("pk", flat=True)[:_ROUND]):
        with transaction.atomic():
            list(Command.objects.select_for_update().filter(operation=pk).order_by("id").values_list("pk", flat=True))
            rows = Operation.objects.select_for_update(of=("self",)).select_related("environment__project")
            operation = rows.get(pk=pk)
            if operation.state == OperationState.AWAITING_APPROVAL:
                _end(operation, ApprovalState.EXPIRED, SYSTEM, "Nobody approved it in time.")
    approvals.lapse(moment)


def _waiting(operation: Operation) -> Approval:
    if operation.state != OperationState.AWAITING_APPROVAL or operation.approval_id is None:
        detail = gettext("It is %(state)s: there is nothing to approve any more.")
        detail %= {"state": uncapped(operation.get_state_display())}
        raise Problem(409, "not_now", gettext("Not in this state"), detail)
    approval = approvals.locked(operation.approval_id)
    if approval.expires_at <= timezone.now():
        detail = gettext("Its time is up: nobody approved it. Ask for it anew.")
        raise Problem(409, "not_now", gettext("Not in this state"), detail)
    return approval


def _demand_other(approval: Approval, actor: Actor) -> None:
    if decision := approvals.refusal(approval, actor):
        raise Refused(decision)


def _demand_own_right(operation: Operation, actor: Actor) -> None:
    """Whoever approves could do it themselves: on each of the targets."""
    verb = verbs.find(operation.action)
    if verb is None:
        detail = gettext("This release of the brain does not know the action.")
        raise Problem(409, "not_now", gettext("Not in this state"), detail)
    if foreign := _foreign(operation, actor, verb):
        text = gettext("%(number)s of its targets are not yours to change: nobody approves what they may not do.")
        text %= {"number": number(len(foreign))}
        raise Refused(Decision(False, True, "approver_lacks", text))


def _foreign(operation: Operation, actor: Actor, verb: Verb) -> set[str]:
    """Those of the targets that are not the actor's to change, or not there for them."""
    ids, place = _asked(operation), operation.environment
    judged = plan.make(targets.kind(verb.kind), place, actor, verb, ids, {**operation.options, "wait": True})
    unseen = set() if access.permissions(actor, place).sees_everything else {LeftOut.GONE}
    return {one.id for one in judged.candidates if one.left_out in {LeftOut.NOT_PERMITTED, *unseen}}


def demand_thaw(operation: Operation, ids: Sequence[str]) -> None:
    """Refused while the environment is frozen for this action on these of its targets."""
    if freeze := freezes.over(operation.environment, operation.action, len(ids)):
        raise Refused(freezes.refusal(freeze))


def _asked(operation: Operation) -> list[str]:
    """The targets to which something happens, each once, in their order."""
    items = Item.objects.filter(operation=operation)
    reaching = operation.action in _REACHING
    found = items.exclude(left_out__in=UNTOUCHED) if reaching else items.filter(left_out="")
    return list(dict.fromkeys(found.order_by("pk").values_list("target_id", flat=True)))


def _void(operation: Operation, approval: Approval) -> str:
    """Why the request is void; empty when it is what it was, and whoever asked might still do so."""
    asker, verb = approvals.asker(approval), verbs.find(operation.action)
    if asker is None:
        return "Void: the account or the token that asked for it is no longer in force."
    if verb is None or not way(operation.environment, asker, verb) or _foreign(operation, asker, verb):
        return "Void: whoever asked for it may not do so any more."
    if digest.of(operation) != approval.digest:
        return "Void: it is no longer what was asked for. Its targets or what would be done to them have changed."
    return ""


def _release(operation: Operation, record: Record) -> Operation:
    """From here on it is an operation like any other. Agents are shown the entry that lets it go, not the request."""
    statements.extend(list(Command.objects.filter(operation=operation).order_by("id")), record)
    delay = operation.options.get("delay") or 0
    operation.state = OperationState.PENDING
    if operation.next_at is not None:
        operation.next_at = timezone.now() + timedelta(seconds=delay)
    operation.save(update_fields=["state", "next_at"])
    take_effect(operation)
    _tell(operation)
    return outcomes.sum_up(operation.pk)  # what the brain does itself is done by now


def _end(operation: Operation, state: ApprovalState, actor: Actor, why: str) -> Operation:
    """Nothing of it is ever done."""
    approvals.close(approvals.locked(operation.approval_id), state, actor, why)
    expired = state == ApprovalState.EXPIRED
    going = Command.objects.filter(operation=operation, state=CommandState.QUEUED)
    going.update(state=CommandState.EXPIRED if expired else CommandState.WITHDRAWN, settled_at=timezone.now())
    said = f"Rejected by {actor.name}: {why}" if state == ApprovalState.REJECTED else why
    Item.objects.filter(operation=operation, outcome=None).update(
        progress=ItemProgress.SETTLED,
        outcome=ItemOutcome.EXPIRED if expired else ItemOutcome.CANCELLED,
        detail=said[:500],
        settled_at=timezone.now(),
    )
    operation.state = OperationState.RUNNING  # what waits does not end
    if not expired:
        operation.cancelled_at, operation.cancelled_by = timezone.now(), actor.name[:255]
    operation.save(update_fields=["state", "cancelled_at", "cancelled_by"])
    if state in (ApprovalState.EXPIRED, ApprovalState.VOIDED):  # a person's answer has an entry of its own
        told: dict[str, Any] = {"approval": str(operation.approval_id), "state": state.value}
        outcomes.record(Phase.RESULT, operation, Outcome.FAILED, SYSTEM, told)
    _tell(operation)
    ended = outcomes.sum_up(operation.pk)
    ending = OperationState.EXPIRED if expired else OperationState.CANCELLED
    if ended.state != ending:  # targets are gone that were counted when it was asked for, or no agent was asked
        ended.state = ending
        ended.finished_at = timezone.now()
        ended.save(update_fields=["state", "finished_at"])
    return ended


def _tell(operation: Operation) -> None:
    nudge.on_commit(operation.environment_id, "approval", [str(operation.approval_id)])
    nudge.on_commit(operation.environment_id, "operation", [str(operation.pk)])
