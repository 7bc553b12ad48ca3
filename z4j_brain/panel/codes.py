"""The forms that take a proof, with axes before each: one counter of failed tries for passwords and codes alike.

Whoever confirms in a session that stands is counted by this session. So nobody who only knows a name can keep its
person from confirming, and nobody with a stolen session has more tries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as AccountChangePasswordForm
from allauth.account.forms import ReauthenticateForm
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ConfirmForm
from allauth.mfa.models import Authenticator
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off, get_failure_limit
from django import forms
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from z4j_brain.rbac import factors


def standing(request: HttpRequest) -> None:
    """From here on, tries of this request are counted by its session."""
    key = str(request.session.session_key or "")
    request.__dict__["_z4j_counted"] = f"session {hashlib.sha256(key.encode()).hexdigest()[:32]}"


def counted(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str | None:
    """What axes counts under: the session that somebody confirms in, else the name that was typed."""
    session: str | None = request.__dict__.get("_z4j_counted")
    return session or (credentials or {}).get("username")


def refusal(request: HttpRequest, name: str, what: str) -> str:
    """What is said to a wrong try, alike whether there is somebody of this name or not."""
    credentials = {"username": name}
    if getattr(request, "axes_locked_out", False) or AxesProxyHandler.is_locked(request, credentials):
        cool_off = get_cool_off(request)
        minutes = round(cool_off.total_seconds() / 60) if cool_off else 0
        if "_z4j_counted" in request.__dict__:
            said = gettext("Too many tries in this session. It is locked for %(minutes)s minutes; then try again.")
        else:
            said = gettext("Too many tries with this name. It is locked for %(minutes)s minutes; then try again.")
        return said % {"minutes": minutes}
    left = get_failure_limit(request, credentials) - AxesProxyHandler.get_failures(request, credentials)
    return f"{what} {ngettext('%(n)s try left.', '%(n)s tries left.', left) % {'n': left}}"


class _Counted:
    """A form with `code` whose wrong codes count as failed tries of its user, and which a lock closes."""

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        request, name = context.request, self.user.get_username()
        if not AxesProxyHandler.is_allowed(request, {"username": name}):
            request.axes_locked_out = True
            raise forms.ValidationError(refusal(request, name, ""))
        try:
            code = str(super().clean_code()).strip()  # type: ignore[misc]
            if self.authenticator.type == Authenticator.Type.TOTP and not factors.use_up(self.authenticator, code):
                raise forms.ValidationError("used")
        except forms.ValidationError:
            user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)
            what = gettext("That code doesn't fit, or was used before.")
            raise forms.ValidationError(refusal(request, name, what)) from None
        return code


class CodeForm(_Counted, AuthenticateForm):  # type: ignore[misc]
    """The second step of signing in."""


class ConfirmCodeForm(_Counted, ConfirmForm):  # type: ignore[misc]
    """The proof that it is still the same person."""

    def clean_code(self) -> str:
        standing(context.request)
        return super().clean_code()


class PasswordForm(ReauthenticateForm):  # type: ignore[misc]
    def clean_password(self) -> str:
        standing(context.request)
        try:
            return str(super().clean_password())
        except forms.ValidationError:
            name = self.user.get_username()
            raise forms.ValidationError(refusal(context.request, name, gettext("That is not your password."))) from None


class ChangePasswordForm(AccountChangePasswordForm):  # type: ignore[misc]
    def clean_oldpassword(self) -> str:
        """Through axes, like everywhere: this form is no second door to guess at."""
        standing(context.request)
        old = str(self.cleaned_data["oldpassword"])
        if not get_adapter().reauthenticate(self.user, old):
            name = self.user.get_username()
            raise forms.ValidationError(refusal(context.request, name, gettext("That is not your password.")))
        return old
