"""Is it still the person who signed in? What is dangerous takes a proof that is at most ten minutes old.

Whoever has a second factor gives it; of whoever has none, and needs none, the password or the sign-in by the identity
provider counts. `Actor.auth` says when each was last given: `mfa`, `password`, `oidc`, in seconds since 1970; and
`oidc_mfa` when the provider asked for a second factor, where the settings let that count as one.
"""

from __future__ import annotations

import time
from enum import Enum

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from z4j_brain.rbac import electors
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Membership, User
from z4j_brain.rbac.states import GUARDED, ROLE_PERMISSIONS, Role

LIFE = 600
#: The rules by which an action sends a person to prove who they are, or to make a second factor.
STALE, NO_FACTOR = "fresh_mfa", "mfa_required"


class Fresh(Enum):
    """Of whom an action demands a fresh proof. `PEOPLE`: a token with the scope may do it; `ALL`: none may, ever."""

    PEOPLE = "people"
    ALL = "all"


def refusal(actor: Actor, demand: Fresh = Fresh.ALL) -> Decision | None:
    """Why the actor may not do it before they prove who they are; None when nothing is missing."""
    if actor.type == "token":
        never = Decision(False, True, "token_never", gettext("No token may do this: sign in."))
        return never if demand is Fresh.ALL else None
    if not isinstance(actor.user, User):
        return None
    if not has_factor(actor.user) and "oidc_mfa" not in actor.auth and is_demanded(actor.user):
        missing = gettext("Your role takes a second factor: add one at %(address)s") % {"address": reverse("mfa_index")}
        return Decision(False, True, NO_FACTOR, missing)
    if is_stale(actor):
        prove = gettext("Confirm that it is you at %(address)s and ask again.") % {"address": reverse("confirm")}
        return Decision(False, True, STALE, prove)
    return None


def is_stale(actor: Actor) -> bool:
    """Is the last proof of the person behind a session older than ten minutes, or weaker than they have?"""
    user = actor.user
    strong = user is not None and (has_factor(user) or ("oidc_mfa" in actor.auth and is_demanded(user)))
    kinds = ("mfa",) if strong else ("password", "oidc", "mfa")
    given = max((int(actor.auth.get(kind, 0)) for kind in kinds), default=0)
    return not 0 <= time.time() - given < LIFE


def has_factor(user: User) -> bool:
    """Has this person an authenticator app or a passkey?"""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=kinds).exists())


def is_demanded(user: User) -> bool:
    """Does `Z4J_MFA` demand a second factor of this person? Instance administrators count as owners."""
    roles = set(settings.Z4J_MFA)
    if not roles:
        return False
    if "everybody" in roles or (Role.OWNER in roles and (user.is_staff or user.is_superuser)):
        return True
    if Membership.objects.filter(user=user, role__in=roles).exists():
        return True
    # What makes somebody as good as an admin counts as one, whatever way they came by it.
    given = Q(permission__in=GUARDED - ROLE_PERMISSIONS[Role.AUDITOR]) if roles & {Role.ADMIN, Role.OWNER} else Q()
    return electors.allowed([user.pk]).filter(Q(role__in=roles) | given).exists()
