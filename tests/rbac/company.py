"""Whoever may stand before a door: the cast, and beside it those whom no role describes.

ines administers the instance and holds no role; dora administered harbor and was disabled. Two are no people: `ci`, a
service token of harbor's production that may see and retry tasks and take the audit trail out, and `expired`, a token
of olive's whose time is over.
"""

from __future__ import annotations

from tests.cast import PASSWORD, Cast, hashed
from z4j_brain.rbac import guardian_rows
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Membership, Token, User
from z4j_brain.rbac.states import Permission, Role

MEMBERS = ["olive", "adam", "oscar", "vera", "audrey"]
TOKENS = ["ci", "expired"]
ACTORS = [*MEMBERS, "stan", "ines", "dora", *TOKENS]
EVERYBODY = [*ACTORS, "nobody"]
#: What `ci` was granted, of the much that it could be.
GRANTED = [Permission.VIEW, Permission.RETRY, Permission.EXPORT_AUDIT]


def join(cast: Cast) -> None:
    """Put the others beside the cast."""
    for name in ("ines", "dora"):
        cast.users[name] = User.objects.create(username=name, password=hashed(PASSWORD), is_staff=name == "ines")
        cast.token(name, user=cast.users[name], name="all", scopes=Permission.values)
    Membership.objects.create(user=cast.users["dora"], project=cast.harbor, role=Role.ADMIN)
    guardian_rows.rewrite(cast.users["dora"], cast.harbor)
    User.objects.filter(username="dora").update(is_active=False)
    cast.token("ci", name="deploy", scopes=GRANTED, project=cast.harbor, environment=cast.production)
    cast.token("expired", days=-1, user=cast.users["olive"], name="old", scopes=Permission.values)


def actor(cast: Cast, who: str) -> Actor:
    """Who acts: a person in a session, or one of the tokens."""
    if who not in TOKENS:
        return cast.actor(who)
    return Actor.of_token(Token.objects.get(name={"ci": "deploy", "expired": "old"}[who]))
