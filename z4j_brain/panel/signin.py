"""Signing in and out: allauth's views with our words, and what is said when a name is locked after too many tries."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView, LogoutView
from django import forms
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.panel import identity
from z4j_brain.panel.codes import refusal


class SignInForm(LoginForm):  # type: ignore[misc]
    """allauth's form; its refusal tells how many tries are left, or that the name is locked and for how long."""

    def clean(self) -> dict[str, Any]:
        try:
            super().clean()
        except forms.ValidationError:
            name = self.cleaned_data.get("login", "")
            self.add_error(
                "password", refusal(self.request, name, gettext("That name and password don't fit together."))
            )
        return dict(self.cleaned_data)


class SignInView(LoginView):  # type: ignore[misc]
    form_class = SignInForm
    template_name = "account/login.html"
    extra_context = {"title": gettext_lazy("Sign in"), "next_field": REDIRECT_FIELD_NAME}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        here = {"next": self.get_next_url(), "host": self.request.get_host(), "ways_in": identity.ways_in()}
        return {**context, **here}


class SignOutView(LogoutView):  # type: ignore[misc]
    """POST only: a link that signs somebody out would work from anywhere."""

    def get(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponseNotAllowed(["POST"])


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """axes' answer to a locked name: the sign-in page itself, which says so beside the field."""
    response.status_code = 429
    return response
