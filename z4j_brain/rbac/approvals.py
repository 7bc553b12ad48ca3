"""Requests that take somebody else's yes: opened, answered and closed in the transaction of whoever asks for that.

Whoever asked never answers, by whatever way they come: a person, their tokens and the service tokens they made are one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import access, holdings, policies, rank
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Invitation
from z4j_brain.rbac.models import Approval, Environment, Project, Token, User
from z4j_brain.rbac.policies import Policy
from z4j_brain.rbac.states import ApprovalState, InstancePermission, Permission

logger = logging.getLogger(__name__)

#: How long a page tells of a broken glass, and how long what was decided is kept.
ALARM = timedelta(hours=24)
KEPT = timedelta(days=400)
#: The target of a request that waits as an operation, and ends as one.
OPERATION = "operation"
#: What somebody types who goes ahead without a second person.
WORDS = "break glass"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an action on no targets wants, said so that another person can judge it. `place`: whose policy asks.
    `rule`: the one of the policy, where it is not named as the action. `by_owners`: only an owner could have it.
    """

    place: Project | Environment
    params: Mapping[str, Any]
    rule: str = ""
    by_owners: bool = False


class Where(NamedTuple):
    """Where, by which rule and by whom a wish is agreed to: by owners only where enough others are owners."""

    environment: Environment
    rule: str
    by_owners: bool


class Needed(Problem):
    """Somebody else has to agree first: the request is written down, and is asked once more when they have."""

    def __init__(self, approval: Approval, *, is_new: bool) -> None:
        place = approval.environment
        address = reverse("approval", args=[place.project.slug, place.slug, approval.pk])
        told = gettext("Somebody else has to approve this: %(address)s.") if is_new else ""
        told = told or gettext("Nobody has approved this yet: %(address)s.")
        again = gettext("When they have, ask for the same once more, within %(minutes)s minutes.")
        detail = f"{told % {'address': address}} {again % {'minutes': minutes(approval)}}"
        super().__init__(409, "approval_needed", gettext("It takes a second person"), detail)
        self.approval = approval
        self.headers["Location"] = address


def minutes(approval: Approval) -> int:
    return round((approval.expires_at - approval.created_at).total_seconds() / 60)


def people(actor: Actor) -> set[str]:
    """The ids of everybody behind whoever asks: the person, or a token's owner and whoever made it."""
    found: set[Any] = {actor.user.pk} if actor.user is not None else set()
    if actor.token is not None:
        found |= {actor.token.user_id, getattr(actor.token, "minted_by_id", None)}
    return {str(pk) for pk in found if pk is not None}


def begin(
    environment: Environment,
    actor: Actor,
    *,
    action: str,
    rule: str,
    policy: Policy,
    target: tuple[str, str],
    digest: str,
    total: int = 0,
    by_owners: bool = False,
    request: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Approval:
    now = timezone.now()
    return Approval.objects.create(
        environment=environment,
        action=action,
        rule=rule,
        target_type=target[0],
        target_id=target[1][:64],
        total=total,
        by_owners=by_owners,
        digest=digest,
        request=dict(request or {}),
        requester_type=actor.type,
        requester_id=actor.id,
        requester_name=actor.name[:255],
        people=sorted(people(actor)),
        reason=reason[:500],
        needed=policy.approvers,
        created_at=now,
        expires_at=now + timedelta(minutes=policy.minutes),
    )


def refusal(approval: Approval, actor: Actor) -> Decision | None:
    """Why this actor does not answer it; None: they may, as far as who they are is concerned."""
    if actor.type != "user" or actor.token is not None:
        return Decision(False, True, "token_never", gettext("Only a person who is signed in approves."))
    if approval.requester_type == "token" and not approval.people:
        text = gettext("Nobody is known to stand behind the token that asked for it: nobody can be told from them.")
        return Decision(False, True, "nobody_behind", text)
    if people(actor) & set(approval.people):
        return Decision(
            False, True, "own_request", gettext("Nobody approves what they, or a token of theirs, have asked for.")
        )
    if actor.user is not None and _hosts(actor) & set(approval.people) and _is_guest(actor.user, approval):
        return Decision(
            False, True, "own_guest", gettext("Whoever asked invited you to your account: somebody else approves.")
        )
    if approval.by_owners and not rank.is_owner(actor, place_of(approval)):
        return Decision(False, True, "rank", gettext("Only another owner agrees to what only an owner could do."))
    return None


def _hosts(actor: Actor) -> set[str]:
    """The ids of whoever invited this person to their account: nobody, for most."""
    made = Invitation.objects.filter(is_new_account=True, accepted_by=actor.user)
    return holdings.once(actor, "hosts", lambda: {str(pk) for pk in made.values_list("invited_by", flat=True)})


def _is_guest(user: User, approval: Approval) -> bool:
    """Did whoever asked make this account by an invitation, where enough others could approve who did not come so?"""
    made = Invitation.objects.filter(is_new_account=True, invited_by__in=approval.people)
    guests = {str(pk) for pk in made.values_list("accepted_by", flat=True)}
    if str(user.pk) not in guests:
        return False
    others = [
        one for one in policies.approvers(approval.environment) if str(one.pk) not in guests | set(approval.people)
    ]
    return len(_owners(others, place_of(approval)) if approval.by_owners else others) >= approval.needed


def place_of(approval: Approval) -> Project | Environment:
    """Where what was asked for has its effect."""
    return approval.environment.project if approval.target_type == "project" else approval.environment


def locked(pk: Any) -> Approval:
    rows = Approval.objects.select_for_update(of=("self",)).select_related("environment__project")
    return rows.get(pk=pk)


def agree(approval: Approval, actor: Actor, reason: str = "") -> bool:
    """One more has said yes. Has everybody who is needed?"""
    if not any(one["id"] == actor.id for one in approval.given):
        now = timezone.now().isoformat()
        approval.given = [*approval.given, {"id": actor.id, "name": actor.name, "at": now, "reason": reason[:500]}]
        approval.save(update_fields=["given"])
    if len(approval.given) < approval.needed:
        return False
    close(approval, ApprovalState.APPROVED, actor, reason)
    return True


def close(approval: Approval, state: ApprovalState, actor: Actor, reason: str = "") -> None:
    approval.state, approval.decided_at = state, timezone.now()
    approval.decided_by, approval.decided_name = actor.id, actor.name[:255]
    approval.decided_reason = reason[:500]
    approval.save(update_fields=["state", "decided_at", "decided_by", "decided_name", "decided_reason"])
    if state == ApprovalState.BROKEN:
        logger.critical("break_glass action=%s approval=%s by=%s", approval.action, approval.pk, actor.id)


def wanted(wish: Wish, action: str, permission: Permission | InstancePermission, actor: Actor) -> Where | None:
    """Where an action on no targets takes a second person; None also where nobody could be one."""
    for environment, rule in policies.rules(wish.place, wish.rule or action):
        able, needed = _able(environment, wish, permission, actor), policies.of(environment).approvers
        if len(able) >= needed:
            by_owners = wish.by_owners and len(_owners(able, wish.place)) >= needed
            return Where(environment, rule, by_owners)
    return None


def _able(
    environment: Environment, wish: Wish, permission: Permission | InstancePermission, actor: Actor
) -> list[User]:
    """Who else could agree: who approves here, and could have the same wish there."""
    mine, able = people(actor), policies.approvers(environment)
    able = [one for one in able if str(one.pk) not in mine]
    if isinstance(permission, InstancePermission):
        return [one for one in able if one.is_staff or one.is_superuser]
    return [one for one in able if access.decide(Actor.of_user(one), permission, wish.place).allow]


def _owners(people: Iterable[User], place: Project | Environment) -> list[User]:
    return [one for one in people if rank.is_owner(Actor.of_user(one), place)]


def ask(where: Where, action: str, wish: Wish, actor: Actor, reason: str) -> Approval:
    """Write down that somebody wants this."""
    kind = type(wish.place).__name__.lower()
    return begin(
        where.environment,
        actor,
        action=action,
        rule=where.rule,
        policy=policies.of(where.environment),
        target=(kind, str(wish.place.pk)),
        digest=digest(action, wish),
        total=1,
        by_owners=where.by_owners,
        request=wish.params,
        reason=reason,
    )


def pending(environment: Environment, action: str, wish: Wish, actor: Actor) -> Approval | None:
    """The same wish of the same actor, that waits or has been agreed to."""
    states = (ApprovalState.PENDING, ApprovalState.APPROVED)
    rows = Approval.objects.select_related("environment__project").filter(environment=environment, action=action)
    mine = rows.filter(requester_type=actor.type, requester_id=actor.id, digest=digest(action, wish))
    return mine.filter(state__in=states, expires_at__gt=timezone.now()).order_by("-id").first()


def use(approval: Approval) -> bool:
    """Use a yes up, in the transaction of what it was for: it counts once."""
    mine = Approval.objects.filter(pk=approval.pk, state=ApprovalState.APPROVED, expires_at__gt=timezone.now())
    return bool(mine.update(state=ApprovalState.DONE))


def digest(action: str, wish: Wish) -> str:
    told = [action, type(wish.place).__name__, wish.place.pk, dict(wish.params)]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def lapse(now: datetime | None = None) -> None:
    """Requests that wait for no operation end by themselves when nobody has answered in time."""
    due = Approval.objects.filter(expires_at__lte=now or timezone.now()).exclude(target_type=OPERATION)
    due.filter(state__in=(ApprovalState.PENDING, ApprovalState.APPROVED)).update(
        state=ApprovalState.EXPIRED, decided_at=now or timezone.now()
    )


def prune(now: datetime | None = None) -> None:
    """Forget what was decided long ago; the ledger keeps its own record."""
    before = (now or timezone.now()) - KEPT
    Approval.objects.filter(created_at__lt=before).exclude(state=ApprovalState.PENDING).delete()


def alarms(environment: Environment) -> QuerySet[Approval]:
    """Whoever has lately gone ahead without a second person. For use behind a decision."""
    since = timezone.now() - ALARM
    rows = Approval.objects.filter(environment=environment, state=ApprovalState.BROKEN, decided_at__gte=since)
    return rows.order_by("-decided_at")


def asker(approval: Approval) -> Actor | None:
    """Whoever made the request, as they are now; None where somebody behind it, or the token, is not in force."""
    ids = approval.people
    if User.objects.filter(pk__in=ids, is_active=True).count() != len(ids):
        return None
    if approval.requester_type == "token":
        token = Token.objects.select_related("user").filter(pk=approval.requester_id).first()
        return Actor.of_token(token) if token is not None and token.is_in_force else None
    user = User.objects.filter(pk=approval.requester_id).first()
    return Actor.of_user(user) if user is not None else None
