"""What people answer to a request that waits for no operation: yes, or no. Whoever asked then does it themselves."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.rbac import access, approvals
from z4j_brain.rbac.action import REGISTRY, Record, Refused, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Approval
from z4j_brain.rbac.states import ApprovalState, Permission


@action(Permission.APPROVE, "approval.approve", phase=Phase.APPROVAL, fresh=True)
def approve(approval: Approval, *, actor: Actor, reason: str = "", record: Record) -> Approval:
    """Let whoever asked go ahead: they ask for the same once more, and it counts once."""
    locked = _waiting(approval, actor, record)
    info = REGISTRY.get(locked.action)
    if info is None:
        raise Problem(
            409, "not_now", gettext("Not in this state"), gettext("This release of the brain does not know the action.")
        )
    decision = access.decide(actor, info.agree, approvals.place_of(locked))
    if not decision.allow:
        raise Refused(decision)
    if not approvals.asker(locked):
        approvals.close(locked, ApprovalState.VOIDED, actor, "Void: the account that asked is no longer in force.")
        return locked
    approvals.agree(locked, actor, reason)
    return locked


@action(Permission.APPROVE, "approval.reject", phase=Phase.APPROVAL)
def reject(approval: Approval, *, actor: Actor, reason: str = "", record: Record) -> Approval:
    locked = _waiting(approval, actor, record)
    if not reason.strip():
        raise invalid([Fault(pointer="#/reason", detail="Say why, for whoever asked.")])
    approvals.close(locked, ApprovalState.REJECTED, actor, reason)
    return locked


def _waiting(approval: Approval, actor: Actor, record: Record) -> Approval:
    locked = approvals.locked(approval.pk)
    record.target("approval", locked.pk)
    record.params({"approval": str(locked.pk), "approval_digest": locked.digest, "action": locked.action})
    record.nudge(locked.environment_id, "approval", [str(locked.pk)])
    if locked.target_type == approvals.OPERATION:
        raise Problem(409, "not_now", gettext("An operation waits"), gettext("It is approved where the operation is."))
    is_over = locked.state != ApprovalState.PENDING or locked.expires_at <= timezone.now()
    if is_over:
        raise Problem(
            409, "not_now", gettext("Not in this state"), gettext("It was answered already, or its time is up.")
        )
    if decision := approvals.refusal(locked, actor):
        raise Refused(decision)
    return locked
