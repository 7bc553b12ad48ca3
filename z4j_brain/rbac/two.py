"""What of the tenancy takes a second person, where a policy says so: who becomes admin or owner, or as good as one,
and who ceases to be one where too few would be left to approve anything.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Model

from z4j_brain.lib.tongue import english
from z4j_brain.rbac import access, electors, policies
from z4j_brain.rbac.approvals import Wish
from z4j_brain.rbac.granted import Grant, Group
from z4j_brain.rbac.models import Environment, Membership, Project, User
from z4j_brain.rbac.states import GUARDED, ROLE_PERMISSIONS, Effect, Permission, Role

#: The rule of the policy, whatever way somebody comes by such a role.
RULE = "member.set_role"


def of_role(place: Project | Environment, who: Any, role: Role | None, **_: Any) -> list[Wish]:
    """To give somebody, known or invited, a role that only owners give; or to take one away so that too few are left
    who could approve.
    """
    if role is not None and ROLE_PERMISSIONS[Role(role)] & GUARDED:
        return [_wish(place, who, english(role.label), {}, by_owners=True)]
    if not isinstance(who, User):
        return []
    project, environment = access.place(place)
    old = Membership.objects.filter(user=who, project=project, environment=environment).first()
    if old is None or Permission.APPROVE not in ROLE_PERMISSIONS[Role(old.role)] or not _silences(place, {who.pk}):
        return []
    return [_wish(place, who, english(role.label) if role is not None else "No role", {})]


def of_grant(place: Project | Environment, who: Any, what: Role | Permission, **options: Any) -> list[Wish]:
    """To grant such a role, or a permission that makes one; or to deny somebody to approve so that too few are left."""
    held = ROLE_PERMISSIONS[what] if isinstance(what, Role) else {what}
    gives = options.get("effect", Effect.ALLOW) == Effect.ALLOW
    silences = not gives and Permission.APPROVE in held and _silences(place, electors.behind(who))
    asks = silences or (gives and bool(held & GUARDED))
    return [_wish(place, who, english(what.label), _told(options), by_owners=gives)] if asks else []


def of_revoking(grant: Grant, **_: Any) -> list[Wish]:
    """To take a grant back so that too few are left who could approve."""
    place = grant.environment or grant.project
    takes = grant.effect == Effect.ALLOW and Permission.APPROVE in grant.permissions
    if not takes or not _silences(place, electors.behind(grant.subject)):
        return []
    return [_wish(place, grant.subject, _what(grant), {"grant": str(grant.pk), "effect": "revoke"})]


def of_joining(group: Group, user: User, **_: Any) -> list[Wish]:
    """To put somebody into a group to which such a role, or such a permission, is granted: wherever it is."""
    rows = electors.allowed_to(group).select_related("project", "environment__project")
    asking = [grant for grant in rows if grant.permissions & GUARDED]
    told = {"group": group.name}
    places = {grant.environment or grant.project: _what(grant) for grant in asking}
    return [_wish(place, user, what, told, by_owners=True) for place, what in places.items()]


def _what(grant: Grant) -> str:
    return english(Role(grant.role).label if grant.role else Permission(grant.permission).label)


def _silences(place: Project | Environment, without: Collection[UUID]) -> bool:
    """Would approvals work no more in one of the environments, if these people did not approve?"""
    places = [place] if isinstance(place, Environment) else place.environments.select_related("project")
    for environment in places:
        policy = policies.of(environment)
        could = {one.pk for one in policies.approvers(environment)} if policy.rules else set()
        if len(could) > policy.approvers >= len(could - set(without)):
            return True
    return False


def _told(options: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in sorted(options.items()) if value}


def _wish(place: Project | Environment, who: Any, what: str, more: dict[str, str], *, by_owners: bool = False) -> Wish:
    kept = str(who.pk) if isinstance(who, Model) else str(who)
    return Wish(place, {"who": str(who), "id": kept, "what": what, "where": str(place), **more}, RULE, by_owners)
