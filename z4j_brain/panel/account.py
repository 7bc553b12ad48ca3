"""A person's own pages: their second factors, their password, and the sessions in which they are signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.recovery_codes import views as recovery
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from z4j_brain.lib import browser
from z4j_brain.lib.digits import whole
from z4j_brain.panel import happenings
from z4j_brain.rbac import access, factors, fresh, sessions
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

View = Callable[..., HttpResponseBase]

_TITLES = {
    "mfa_index": gettext_lazy("Account"),
    "sessions": gettext_lazy("Sessions"),
    "account_change_password": gettext_lazy("Change password"),
    "mfa_activate_totp": gettext_lazy("Add an authenticator app"),
    "mfa_deactivate_totp": gettext_lazy("Remove the authenticator app"),
    "mfa_view_recovery_codes": gettext_lazy("Recovery codes"),
    "mfa_generate_recovery_codes": gettext_lazy("New recovery codes"),
    "mfa_add_webauthn": gettext_lazy("Add a passkey"),
    "mfa_edit_webauthn": gettext_lazy("Rename a passkey"),
    "mfa_remove_webauthn": gettext_lazy("Remove a passkey"),
    "mfa_authenticate": gettext_lazy("Second step"),
    "account_reauthenticate": gettext_lazy("Confirm that it is you"),
    "mfa_reauthenticate": gettext_lazy("Confirm that it is you"),
    "mfa_reauthenticate_webauthn": gettext_lazy("Confirm that it is you"),
    "account_inactive": gettext_lazy("Not in use"),
    "socialaccount_login_cancelled": gettext_lazy("Not signed in"),
    "socialaccount_login_error": gettext_lazy("Not signed in"),
    "openid_connect_login": gettext_lazy("Not signed in"),
    "oidc-again": gettext_lazy("Not signed in"),
    "openid_connect_callback": gettext_lazy("Not signed in"),
}
#: Pages that have a body of another one: whatever is wrong with a provider's answer is said in the same words.
_BODIES = dict.fromkeys(("openid_connect_login", "oidc-again", "openid_connect_callback"), "socialaccount_login_error")


def shell(request: HttpRequest) -> dict[str, Any]:
    """What pages of an account, which belong to no environment, stand in: the first one that its person sees."""
    name = request.resolver_match.url_name or "" if request.resolver_match else ""
    if name not in _TITLES:
        return {}
    context: dict[str, Any] = {"title": _TITLES[name], "shell": "plain.html", "body": _body(name)}
    if request.path.startswith("/account/") and not request.path.startswith("/account/confirm/"):
        place = access.environments(Actor.of(request)).first() if isinstance(request.user, User) else None
        context |= {"environment": place, "shell": "base.html"} if place else {}
    return context


def _body(name: str) -> str:
    return f"account/bodies/{_BODIES.get(name, name)}.html"


def proven(view: View) -> View:
    """For whoever proved within ten minutes that it is them; others are sent to do so, and come back.

    What they had typed is not kept meanwhile: here it may be a password.
    """

    @wraps(view)
    @login_required
    @never_cache
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if fresh.is_stale(Actor.of(request)):
            return redirect(f"{reverse('confirm')}?{urlencode({'next': request.get_full_path()})}")
        return view(request, *args, **kwargs)

    return guarded


def adding(view: View) -> View:
    """Whoever has just added a factor has shown that they have it: that is a proof, too."""

    @proven
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        had = factors.count(_user(request))
        answer = view(request, *args, **kwargs)
        if factors.count(_user(request)) > had:
            record_authentication(request, _user(request), "mfa")
        return answer

    return guarded


@require_GET
@login_required
@never_cache
def security(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    context = {
        "factors": factors.of(user),
        "demanded": fresh.is_demanded(user),
        "has_password": user.has_usable_password(),
        "sessions": _listed(request, user),
        "identity": settings.Z4J_OIDC,
    }
    return render(request, "account/security.html", context)


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def own_sessions(request: HttpRequest) -> HttpResponse:
    """GET lists; POST ends one, or all but this one."""
    user = _user(request)
    if request.method == "GET":
        return render(request, "account/sessions.html", {"sessions": _listed(request, user)})
    chosen = request.POST.get("session", "")
    one = whole(chosen, 17)
    only = None if one is None else [one]
    if only is None and chosen != "others":
        messages.error(request, gettext("That session is over already."), extra_tags="bad")
        return redirect("sessions")
    ended = sessions.end(user, "revoked", Actor.of(request), keep=request.session.session_key, only=only)
    some = ngettext("%(n)s session ended.", "%(n)s sessions ended.", ended) % {"n": ended}
    told = some if ended else gettext("That session is over already.")
    messages.success(request, told, extra_tags="good")
    return redirect("sessions")


@require_GET
@login_required
@never_cache
def confirm(request: HttpRequest) -> HttpResponse:
    """To the strongest proof that somebody has; where they come from stays in the address."""
    ways = get_adapter().get_reauthentication_methods(request.user)
    if not ways:
        raise PermissionDenied(gettext("There is no way to confirm that it is you: sign out, and in again."))
    query = request.META.get("QUERY_STRING", "")
    return redirect(ways[0]["url"] + (f"?{query}" if query else ""))


@proven
def recovery_codes(request: HttpRequest) -> HttpResponseBase:
    """They are shown once, and who saw them is told to the ledger."""
    had = factors.of(_user(request)).codes
    seen_before = had is not None and had.wrap().did_view
    answer: HttpResponseBase = recovery.view_recovery_codes(request)
    if had is not None and not seen_before:
        happenings.recovery_codes_viewed(request, _user(request))
    return answer


@proven
def change_password(request: HttpRequest) -> HttpResponseBase:
    if not _user(request).has_usable_password():
        return redirect("mfa_index")
    answer: HttpResponseBase = account.password_change(request)
    return answer


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _listed(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """The sessions of a person, this one first."""
    rows = [
        {
            "id": one.pk,
            "browser": browser.named(one.user_agent),
            "ip": one.ip,
            "began": one.created_at,
            "seen": one.last_seen_at,
            "current": one.session_key == request.session.session_key,
        }
        for one in sessions.listed(user)
    ]
    return sorted(rows, key=lambda row: not row["current"])
