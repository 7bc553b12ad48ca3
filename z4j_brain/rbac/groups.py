"""Groups as a sign-in tells them: the values of its claims name groups that the instance has set up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.granted import Group, GroupMember
from z4j_brain.rbac.models import User
from z4j_brain.rbac.states import MemberSource

#: Where identity providers say whose groups these are; what is a text is a list of one.
CLAIMS = ("groups", "roles")
#: More than so many groups of one person are no longer looked at.
MOST = 500


def from_claims(user: User, claims: Mapping[str, Any], names: Collection[str] = CLAIMS) -> list[str]:
    """After a sign-in: put `user` into the groups that its claims name, and out of those that they name no more.

    Groups that somebody was put into by hand stay. Nothing else is given, and a change is an entry in the ledger.
    """
    told = told_by(claims, names)
    wanted = set(Group.objects.filter(claim__in=told).values_list("pk", flat=True))
    rows = GroupMember.objects.filter(user=user, source=MemberSource.OIDC)
    if wanted == set(rows.values_list("group", flat=True)):
        return sorted(Group.objects.filter(pk__in=wanted).values_list("name", flat=True))
    return granting.follow_claims(user, told, actor=SYSTEM, reason="The claims of a sign-in")


def told_by(claims: Mapping[str, Any], names: Collection[str] = CLAIMS) -> list[str]:
    """The texts that these claims hold."""
    found: list[str] = []
    for name in names:
        value = claims.get(name)
        values = value if isinstance(value, list) else [value]
        found += [one for one in values if isinstance(one, str) and one]
    return found[:MOST]
