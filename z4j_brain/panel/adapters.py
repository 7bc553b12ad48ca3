"""Where allauth asks us: who may sign up, how somebody proves who they are, how secrets are kept."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.lib import fields
from z4j_brain.panel import identity
from z4j_brain.rbac import fresh
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

#: How the panel marks a message.
_HUES = {messages.SUCCESS: "good", messages.WARNING: "warn", messages.ERROR: "bad"}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "incorrect_password": gettext_lazy("That is not your password."),
        "enter_current_password": gettext_lazy("That is not your password."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by administrators and by the identity provider, by nobody else."""
        return False

    def is_reauthentication_required(self, *, app: str = "", **kwargs: Any) -> bool:
        return fresh.is_stale(Actor.of(self.request))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The strongest that somebody has: a password is no proof for whoever has a second factor."""
        if not isinstance(user, User):
            return []
        methods = super().get_reauthentication_methods(user)
        if fresh.has_factor(user):
            methods = [one for one in methods if one["id"] != "reauthenticate"]
            return sorted(methods, key=lambda one: one["id"] != "mfa_reauthenticate:webauthn")
        # Whose second factor is the provider's: it is asked for there, and no password stands in for it.
        there = "oidc_mfa" in Actor.of(self.request).auth and fresh.is_demanded(user)
        found = [one for one in methods if one["id"] == "reauthenticate" and not there]
        return found or [
            {"id": "oidc", "description": gettext("Sign in with %(name)s again") % {"name": name}, "url": url}
            for name, url in identity.ways_in(again=True)
        ]

    def add_message(self, request: HttpRequest, level: int, *args: Any, **kwargs: Any) -> None:
        super().add_message(request, level, *args, **{**kwargs, "extra_tags": _HUES.get(level, "")})

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy("That code does not fit, or was used before."),
    }

    def encrypt(self, text: str) -> str:
        return fields.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return fields.decrypt(encrypted_text)

    def get_totp_label(self, user: User) -> str:
        return f"{user.get_username()} at {self.request.get_host()}"

    def generate_authenticator_name(self, user: User, type: Any) -> str:
        return "Passkey"
