"""What every request of somebody who is signed in goes through: is the session in use, and what is missing in it?

An action that demands a fresh proof of who asks sends a person to give it, and back to what they did. Whoever needs a
second factor and has none can do nothing but make one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.reauthentication import suspend_request
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import fresh, sessions
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

#: Where somebody without the second factor that they need may go.
_OPEN = ("/account/", "/sign-out/", "/static/", "/healthz", "/readyz", "/agent/")


class PresenceMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user if request.session.session_key else None
        if not isinstance(user, User):
            return self.get_response(request)
        # What a page fetches by itself is nobody's click: a tab that is left open does not keep its session.
        if "X-Live" not in request.headers:
            sessions.touch(request.session)
        if not request.path.startswith(_OPEN) and _lacks_factor(request, user):
            return _demand(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A refusal for want of a proof leads to where it is given. The API's handler has answered its own before."""
        if not isinstance(error, Refused) or request.path.startswith("/api/"):
            return None
        if error.rule == fresh.NO_FACTOR:
            return _demand(request)
        if error.rule != fresh.STALE:
            return None
        if "HX-Request" not in request.headers:
            return _suspend(request)
        back = urlencode({"next": request.headers.get("HX-Current-URL", "/")})
        return HttpResponse(status=204, headers={"HX-Redirect": f"{reverse('confirm')}?{back}"})


def _suspend(request: HttpRequest) -> HttpResponse:
    suspended: HttpResponse = suspend_request(request, reverse("confirm"))
    if request.method == "POST":  # it is resumed where `next` is its path alone; its query was kept with the rest of it
        suspended["Location"] = f"{reverse('confirm')}?{urlencode({'next': request.path})}"
    return suspended


def _lacks_factor(request: HttpRequest, user: User) -> bool:
    proofs: Any = Actor.of(request).auth
    return "mfa" not in proofs and not fresh.has_factor(user) and fresh.is_demanded(user)


def _demand(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        detail = f"Your role takes a second factor: add one at {reverse('mfa_index')}"
        return Problem(403, fresh.NO_FACTOR, "Refused", detail).response()
    messages.warning(request, gettext("Your role takes a second factor. Add one to go on."), extra_tags="warn")
    return redirect("mfa_index")
