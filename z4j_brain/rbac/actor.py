"""Who acts: a person, a person's token, an agent, or the brain itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest
from rest_framework.request import Request

from z4j_brain.lib import arrival
from z4j_brain.rbac.models import Token, User

ActorType = Literal["user", "token", "agent", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    type: ActorType
    id: str
    name: str
    user: User | None = None
    token: Token | None = None
    ip: str = ""
    request_id: str = ""
    auth: Mapping[str, Any] = field(default_factory=dict, compare=False)
    #: What the policy has looked up about the actor of one request; None: it looks anew each time.
    known: dict[Any, Any] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, request: HttpRequest | Request) -> Actor:
        """The actor of a request that is signed in by session or by token."""
        user, token = request.user, getattr(request, "auth", None)
        ip = str(request.META.get("REMOTE_ADDR") or "")
        request_id = arrival.request_id.get()
        if isinstance(token, Token):
            return replace(cls.of_token(token, ip=ip, request_id=request_id), known=_known(request, token))
        if not isinstance(user, User):
            raise ValueError("Nobody is signed in: a door must ask for that first.")
        actor = cls.of_user(user, ip=ip, request_id=request_id, proofs=_proofs(request, user))
        return replace(actor, known=_known(request, user))

    @classmethod
    def of_user(
        cls, user: User, *, ip: str = "", request_id: str = "", proofs: Mapping[str, int] | None = None
    ) -> Actor:
        """A person in a session. `proofs`: when the password, the second factor, ... were last given in it."""
        auth = {"method": "session"} | dict(proofs or {})
        return cls("user", str(user.pk), user.get_username(), user, None, ip, request_id, auth)

    @classmethod
    def of_token(cls, token: Token, *, ip: str = "", request_id: str = "") -> Actor:
        auth = {"method": "token", "token_kid": token.kid}
        if token.user is None:
            name, auth["minted_by"] = f"{token.name} (service token)", str(token.minted_by_id or "")
        else:
            name, auth["user"] = f"{token.user.get_username()} ({token.name})", str(token.user_id)
        return cls("token", str(token.pk), name, token.user, token, ip, request_id, auth)


SYSTEM = Actor("system", "system", "z4j", auth={"method": "system"})
#: Whoever runs `z4j ...` on the brain's own machine.
COMMAND_LINE = Actor("system", "command-line", "command line", auth={"method": "command_line"})
#: Whoever opened the one-time link that the first start prints.
SETUP_LINK = Actor("system", "setup-link", "set-up link", auth={"method": "setup_link"})

#: Whoever opened the one-time link of an invitation and has no account yet.
INVITATION_LINK = Actor("system", "invitation-link", "invitation link", auth={"method": "invitation_link"})

#: How a session's records of sign-in name what was given, and how `auth` does.
_PROOFS = {"password": "password", "mfa": "mfa", "socialaccount": "oidc"}


def _proofs(request: HttpRequest | Request, user: User) -> dict[str, int]:
    """When this person last gave what in this session, in seconds since 1970."""
    if not hasattr(request, "session"):
        return {}
    records = get_authentication_records(request, user)
    found = {_PROOFS[one["method"]]: _given(one) for one in records if one.get("method") in _PROOFS}
    for one in records:
        if one.get("second_factor"):  # of the provider's, where the settings let it count
            found |= {"oidc_mfa": _given(one), "mfa": max(_given(one), found.get("mfa", 0))}
    return found


def _given(record: Mapping[str, Any]) -> int:
    """When. An identity provider may answer without asking: there it counts when it says that it asked, if it does."""
    return int(record.get("auth_time", 0) if record["method"] == "socialaccount" else record["at"])


def _known(request: HttpRequest | Request, who: User | Token) -> dict[Any, Any]:
    """What this request remembers of them: however often an actor is made of it, each thing is looked up once."""
    http = request._request if isinstance(request, Request) else request
    everybody: dict[Any, dict[Any, Any]] = http.__dict__.setdefault("_z4j_known", {})
    return everybody.setdefault((type(who), who.pk), {})
