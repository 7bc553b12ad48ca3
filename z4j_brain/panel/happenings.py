"""What happens around signing in, told to the ledger: allauth and axes change and refuse, and signal that they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import authentication_step_completed, password_changed, user_logged_in, user_signed_up
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.signals import social_account_added
from allauth.usersessions.models import UserSession
from axes.helpers import get_failure_limit
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth import signals as auth
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import arrival
from z4j_brain.rbac import groups, sessions
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

_WORDS = {
    Authenticator.Type.TOTP: "app",
    Authenticator.Type.WEBAUTHN: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery_codes",
}


@receiver(auth.user_logged_in)
def begin(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Whoever gets in, by any way: the clock of the session starts, and its person finds it in their list."""
    sessions.begin(request.session)
    if request.META.get("REMOTE_ADDR"):
        UserSession.objects.create_from_request(request)
        sessions.forget_ended()


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, sociallogin: Any = None, **kwargs: Any) -> None:
    if sociallogin is not None:
        claims = sociallogin.account.extra_data.get("id_token", {})
        groups.from_claims(user, claims, (settings.Z4J_OIDC["groups_claim"],))
    proofs = Actor.of(request).auth
    ways = [way for way in ("password", "mfa", "oidc") if way in proofs]
    _tell("session.begin", request, user, params={"by": ways})


@receiver(authentication_step_completed)
def confirmed(request: HttpRequest, user: User, method: str, **kwargs: Any) -> None:
    if kwargs.get("reauthenticated"):
        _tell("session.confirm", request, user, params={"by": method})


@receiver(auth.user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is None:
        return
    _tell("session.end", request, user, reason="sign_out", params={"sessions": 1, "why": "sign_out"})
    UserSession.objects.filter(session_key=request.session.session_key).delete()


@receiver(auth.user_login_failed)
def refused(credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """A wrong password or code. Tries while it is locked are one lock, told once."""
    if request is None or getattr(request, "axes_failures_since_start", None) is None:
        return
    _tell_of_name("session.refuse", request, str(credentials.get("username", "")))


@receiver(user_locked_out)
def locked(request: HttpRequest, username: str | None, **kwargs: Any) -> None:
    if getattr(request, "axes_failures_since_start", None) == get_failure_limit(request, {"username": username}):
        typed: Mapping[str, Any] = getattr(request, "axes_credentials", None) or {}  # and not what axes counts under
        _tell_of_name("session.lock", request, str(typed.get("username") or ""))


@receiver(authentication_failed)
def passkey_refused(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Of codes, the form tells axes, and axes tells of the failure."""
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        _tell_of_name("session.refuse", request, user.get_username())


@receiver(authenticator_added)
def added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Every other session was begun without it, and ends."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        _tell("recovery_codes.make", request, user)
        return
    _tell("factor.add", request, user, params={"factor": _WORDS[authenticator.type]})
    sessions.end(user, "factor", Actor.of(request), keep=request.session.session_key)


@receiver(authenticator_removed)
def removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _tell("factor.remove", request, user, params={"factor": _WORDS[authenticator.type]})
    sessions.end(user, "factor", Actor.of(request), keep=request.session.session_key)


@receiver(authenticator_reset)
def reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    _tell("recovery_codes.make", request, user)


def recovery_codes_viewed(request: HttpRequest, user: User) -> None:
    _tell("recovery_codes.view", request, user)


@receiver(password_changed)
def changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Django has ended the other sessions already: each is bound to the password that it began with."""
    _tell("password.change", request, user)
    record_authentication(request, user, "password")
    sessions.end(user, "password", Actor.of(request), keep=request.session.session_key)


@receiver(user_signed_up)
def provisioned(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """The identity provider brought somebody new. They hold no role."""
    _tell("user.provision", request, user, actor=_IDENTITY)


@receiver(social_account_added)
def linked(request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    _tell("user.link", request, sociallogin.user, actor=_IDENTITY, params={"subject": sociallogin.account.uid})


def _actor(name: str, title: str) -> Actor:
    return Actor("system", name, title, auth={"method": name})


#: Nobody has proved yet who they are; and: the identity provider vouches for somebody.
_DOOR, _IDENTITY = _actor("sign-in", "sign-in"), _actor("identity-provider", "identity provider")


def _tell_of_name(action: str, request: HttpRequest, name: str) -> None:
    """Of somebody who is not in: the name that was typed is erasable, and an id stands there only if it is one's."""
    user = User.objects.filter(username=name).first()
    _tell(action, request, user, actor=_DOOR, outcome=Outcome.REFUSED, private={"name": name[:150]})


def _tell(
    action: str,
    request: HttpRequest,
    user: User | None,
    *,
    actor: Actor | None = None,
    outcome: Outcome = Outcome.ALLOWED,
    reason: str = "",
    params: Mapping[str, Any] | None = None,
    private: Mapping[str, Any] | None = None,
) -> None:
    by = actor or (Actor.of_user(user) if user else _DOOR)
    if actor is None and request.user == user:
        by = Actor.of(request)
    ip, request_id = str(request.META.get("REMOTE_ADDR") or ""), arrival.request_id.get()
    told = replace(by, ip=ip, request_id=request_id)
    with transaction.atomic():
        entries.append(
            phase=Phase.ADMIN,
            action=action,
            actor=told,
            outcome=outcome,
            target=("user", str(user.pk)) if user else ("", ""),
            reason_code=reason,
            params=params,
            private=private,
        )
