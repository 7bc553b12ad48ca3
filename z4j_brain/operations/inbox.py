"""What waits for a second person in an environment, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib.words import uncapped
from z4j_brain.operations import nouns, verbs
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.states import OperationState
from z4j_brain.rbac import access, policies
from z4j_brain.rbac import approvals as approval
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Approval, Environment
from z4j_brain.rbac.states import ApprovalState, Permission

#: More than that are counted as that many.
MOST = 99
SAMPLES = 5


def approvals(actor: Actor, environment: Environment) -> QuerySet[Approval]:
    """Requests of an environment, with what became of them. Whoever sees only some of the tasks sees the requests that
    they made: others count and name what they do not see.
    """
    found = rbac.within(Approval.objects.all(), actor, environment)
    if rbac.sees_everything(actor, environment):
        return found
    return found.filter(requester_type=actor.type, requester_id=actor.id)


def detail(actor: Actor, environment: Environment, pk: UUID) -> Approval:
    found = approvals(actor, environment).select_related("environment__project").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def asks(wish: Approval) -> str:
    """Who asks the reader for what."""
    told = {"who": wish.requester_name or gettext("Somebody"), "what": uncapped(what(wish))}
    return gettext("%(who)s asks for your yes: %(what)s") % told


def what(wish: Approval) -> str:
    """What is asked for; of an operation, of how many targets."""
    said = nouns.word(wish.action)
    return nouns.headline(said, nouns.counted(wish.total, "target")) if wish.target_type == approval.OPERATION else said


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of an operation that waits, to this reader. `by`: how what would be changed splits."""

    may_answer: bool
    is_own: bool
    may_break: bool
    people: list[str]
    by: list[tuple[str, list[tuple[str, int]]]]
    samples: list[Item]
    words: str = approval.WORDS


def outlook(actor: Actor, environment: Environment, operation: Operation) -> Told | None:
    """None where nothing waits."""
    waits, verb = operation.approval, verbs.find(operation.action)
    if operation.state != OperationState.AWAITING_APPROVAL or waits is None or verb is None:
        return None
    held = access.permissions(actor, environment)
    people = [one for one in policies.approvers(environment) if str(one.pk) not in waits.people]
    split = operation.plan.get("by", {})
    return Told(
        {Permission.APPROVE, verb.permission} <= held and approval.refusal(waits, actor) is None,
        bool(approval.people(actor) & set(waits.people)),
        {Permission.BREAK_GLASS, verb.permission} <= held and actor.token is None,
        [one.get_username() for one in people],
        [(facet, list(shares.items())) for facet, shares in split.items() if any(shares) and len(shares) > 0],
        list(Item.objects.filter(operation=operation, left_out="").order_by("id")[:SAMPLES]),
    )


def waiting(actor: Actor, environment: Environment) -> list[Approval]:
    """What this actor may answer now; nothing for whoever may not approve."""
    if not rbac.may(actor, Permission.APPROVE, environment):
        return []
    rows = approvals(actor, environment).filter(state=ApprovalState.PENDING, expires_at__gt=timezone.now())
    found = list(rows.order_by("id")[:MOST])
    for one in found:
        one.environment = environment
    return [one for one in found if approval.refusal(one, actor) is None]
