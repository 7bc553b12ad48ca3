"""Pages of one's own: an invitation that somebody opens, and the API tokens of whoever is signed in."""

from __future__ import annotations

from uuid import UUID

from allauth.account.internal.flows.login import record_authentication
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from z4j_brain.lib.problem import by_field
from z4j_brain.lib.tongue import inline
from z4j_brain.rbac import access, actions, joining, queries, rosters
from z4j_brain.rbac.actor import INVITATION_LINK, Actor
from z4j_brain.rbac.granted import Invitation
from z4j_brain.rbac.models import User
from z4j_brain.rbac.states import Permission, Role

SHOWN = 100
MOST_DAYS = 365


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, link: str) -> HttpResponse:
    """Behind a one-time link: join as who one is, or with a new account. A used or old link does not exist."""
    found = rosters.invitation_of(link)
    if found is None:
        raise Http404
    name, errors = request.POST.get("username", "").strip(), {}
    if request.method == "POST":
        try:
            _join(request, link, name)
        except joining.NotInForce as error:
            raise Http404 from error
        except ValidationError as error:
            errors = by_field(error, rest="form")
        else:
            messages.success(
                request, gettext("You are in %(project)s now.") % {"project": found.project.name}, extra_tags="good"
            )
            return _inside(found)
    user = request.user if isinstance(request.user, User) else None
    context = {"title": gettext("Invitation"), "invitation": found, "signed_in": user, "name": name, "errors": errors}
    context["role"] = inline(Role(found.role).label)
    return render(request, "rbac/invitation.html", context, status=400 if errors else 200)


def _join(request: HttpRequest, link: str, name: str) -> None:
    if isinstance(request.user, User):
        joining.accept(request.user, link, actor=Actor.of(request))
        return
    user = joining.sign_up(access.INSTANCE, link, name, request.POST.get("password", ""), actor=INVITATION_LINK)
    record_authentication(request, user, "password")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")


def _inside(found: Invitation) -> HttpResponse:
    if found.environment is None:
        return redirect("home")
    return redirect("overview", project=found.project.slug, environment=found.environment.slug)


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """GET lists; POST mints one, shown this once, or revokes one."""
    actor, text, errors = Actor.of(request), "", []
    if request.method == "POST" and "revoke" in request.POST:
        _revoke(request, actor)
        return redirect("own-tokens")
    if request.method == "POST":
        try:
            text = _mint(request, actor)
        except ValidationError as error:
            errors = list(error.messages)
    place = access.environments(actor).first()
    context = {
        "title": gettext("API tokens"),
        "shell": "base.html" if place else "plain.html",
        "body": "rbac/_own_tokens.html",
        "environment": place,
        "tokens": list(queries.tokens(actor).order_by("-created_at")[:SHOWN]),
        "projects": queries.projects(actor),
        "permissions": list(Permission),
        "text": text,
        "errors": errors,
        "given": request.POST,
        "chosen": request.POST.getlist("scope") if errors else [Permission.VIEW.value],
    }
    return render(request, "account/frame.html", context, status=400 if errors else 200)


def _mint(request: HttpRequest, actor: Actor) -> str:
    asked, days = request.POST, request.POST.get("days", "").strip()
    scopes = [Permission(one) for one in asked.getlist("scope") if one in Permission.values]
    project = queries.projects(actor).filter(slug=asked["project"]).first() if asked.get("project") else None
    if not asked.get("name", "").strip():
        raise ValidationError(gettext("Say what the token is for."))
    if not scopes:
        raise ValidationError(gettext("Choose what the token may do."))
    if asked.get("project") and project is None:
        raise ValidationError(gettext("Choose one of your projects."))
    if not (days.isascii() and days.isdigit() and 0 < int(days[:4]) <= MOST_DAYS):
        raise ValidationError(gettext("A whole number of days, from 1 to %(most)s.") % {"most": MOST_DAYS})
    name = asked["name"].strip()[:128]
    _, text = actions.mint_token(actor.user, name=name, scopes=scopes, project=project, days=int(days), actor=actor)
    return text


def _revoke(request: HttpRequest, actor: Actor) -> None:
    try:
        found = queries.tokens(actor).filter(pk=UUID(request.POST.get("revoke", ""))).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404
    actions.revoke_token(found, actor=actor)
    told = gettext("%(name)s is revoked: it is refused from now on.") % {"name": found.name}
    messages.success(request, told, extra_tags="good")
