"""The page of members: who has which role here and where it comes from, invitations, grants and service tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from z4j_brain.lib import why
from z4j_brain.lib.problem import Problem
from z4j_brain.lib.tongue import inline
from z4j_brain.rbac import actions, granting, joining, queries, rank, rosters, servicetokens
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Group
from z4j_brain.rbac.models import Environment, Project, User
from z4j_brain.rbac.states import GUARDED, ROLE_PERMISSIONS, SERVICE_PERMISSIONS, Effect, Permission, Role

#: Rows that each table shows.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What is shown once: a link or a token, and what to do with it."""

    title: str
    text: str
    help: str


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    return _page(request, actor, queries.environment(actor, project, environment))


@never_cache
@require_POST
@login_required
def change(request: HttpRequest, project: str, environment: str, verb: str) -> HttpResponse:
    """Do what a form of the page says; what is told once stands on the page that answers."""
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    if verb not in _VERBS:
        raise Http404
    where: Project | Environment = place.project if request.POST.get("where") == "project" else place
    queries.require(actor, Permission.MANAGE_MEMBERS, where)
    try:
        told = _VERBS[verb](request, actor, where)
    except ValidationError as error:
        return _page(request, actor, place, errors=list(error.messages), verb=verb)
    except Problem as problem:  # it takes a second person
        messages.warning(request, problem.detail)
        return redirect(problem.headers.get("Location") or "members", *_address(place, problem))
    if isinstance(told, Told):
        return _page(request, actor, place, told=told)
    messages.success(request, told, extra_tags="good")
    return redirect("members", project=project, environment=environment)


def _address(place: Environment, problem: Problem) -> tuple[str, ...]:
    return () if problem.headers.get("Location") else (place.project.slug, place.slug)


def _page(
    request: HttpRequest,
    actor: Actor,
    place: Environment,
    *,
    told: Told | None = None,
    errors: list[str] | None = None,
    verb: str = "",
) -> HttpResponse:
    project = place.project
    held = queries.held(actor, place)
    manages = Permission.MANAGE_MEMBERS in held
    here = [row for row in rosters.members(actor, project)[:SHOWN] if row.environment_id in (None, place.pk)]
    grants = [row for row in rosters.grants(actor, project)[:SHOWN] if row.environment_id in (None, place.pk)]
    invited = [row for row in rosters.invitations(actor, project)[:SHOWN] if row.environment_id in (None, place.pk)]
    tokens = [row for row in rosters.service_tokens(actor, project)[:SHOWN] if row.environment_id in (None, place.pk)]
    owner = rank.is_owner(actor, place)
    roles = [
        role for role in Role if owner or (ROLE_PERMISSIONS[role] <= held and not ROLE_PERMISSIONS[role] & GUARDED)
    ]
    context = {
        "title": gettext("Members"),
        "environment": place,
        "members": here,
        "grants": grants,
        "invitations": invited,
        "tokens": sorted(tokens, key=lambda one: (not one.is_in_force, one.name)),
        "manages": manages,
        "manages_project": queries.may(actor, Permission.MANAGE_MEMBERS, project),
        "sees_all": manages or Permission.VIEW_AUDIT in held,
        "owner": owner,
        "roles": roles,
        "permissions": [one for one in Permission if one in held and (owner or one not in GUARDED)],
        "scopes": [one for one in Permission if one in SERVICE_PERMISSIONS and one in held],
        "told": told,
        "errors": errors or [],
        "verb": verb,
        "given": request.POST,
    }
    return render(request, "rbac/members.html", context, status=400 if errors else 200)


def _set_role(request: HttpRequest, actor: Actor, where: Project | Environment) -> str:
    user, role = _person(request.POST), request.POST.get("role", "")
    reason = why.of(request.POST)
    actions.set_membership(where, user, _role(role) if role else None, actor=actor, reason=reason)
    if not role:
        return gettext("%(name)s has no role there now.") % {"name": user.username}
    return gettext("%(name)s is %(role)s now.") % {"name": user.username, "role": inline(Role(role).label)}


def _invite(request: HttpRequest, actor: Actor, where: Project | Environment) -> Told:
    role, sent_to = _role(request.POST.get("role", "")), request.POST.get("sent_to", "").strip()
    _, link = joining.invite(where, sent_to, role, actor=actor, reason=why.of(request.POST))
    address = request.build_absolute_uri(reverse("invitation", args=[link]))
    title = gettext("The link for %(name)s") % {"name": sent_to}
    return Told(title, address, gettext("Shown this once, good for seven days and one person. Send it on."))


def _uninvite(request: HttpRequest, actor: Actor, where: Project | Environment) -> str:
    found = rosters.invitations(actor, _project(where)).filter(pk=_uuid(request.POST)).first()
    if found is None:
        raise Http404
    joining.uninvite(found, actor=actor, reason=why.of(request.POST))
    return gettext("The invitation of %(name)s is withdrawn.") % {"name": found.sent_to}


def _grant(request: HttpRequest, actor: Actor, where: Project | Environment) -> str:
    asked = request.POST
    name, what = asked.get("subject", "").strip(), asked.get("what", "")
    subject = rosters.group_by_name(name.removeprefix("group:")) if name.startswith("group:") else _person(asked, name)
    if subject is None:
        raise ValidationError(gettext("There is no group of this name."))
    days = asked.get("days", "").strip()
    if days and not (days.isascii() and days.isdigit() and 0 < int(days[:5]) <= 3650):
        raise ValidationError(gettext("A whole number of days, from 1 to 3650, or nothing."))
    granting.give(
        where,
        subject,
        Role(what) if what in Role.values else _permission(what),
        effect=Effect.DENY if asked.get("effect") == Effect.DENY else Effect.ALLOW,
        queue_glob=asked.get("queue_glob", "").strip(),
        task_glob=asked.get("task_glob", "").strip(),
        expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        actor=actor,
        reason=why.of(request.POST),
    )
    name = subject.name if isinstance(subject, Group) else subject.username
    return gettext("Done. It holds for %(name)s from now on.") % {"name": name}


def _ungrant(request: HttpRequest, actor: Actor, where: Project | Environment) -> str:
    found = rosters.grants(actor, _project(where)).filter(pk=_uuid(request.POST)).first()
    if found is None:
        raise Http404
    granting.revoke(found, actor=actor, reason=why.of(request.POST))
    return gettext("Taken back. It no longer holds.")


def _mint(request: HttpRequest, actor: Actor, where: Project | Environment) -> Told:
    scopes = [_permission(one) for one in request.POST.getlist("scope")]
    name = request.POST.get("name", "").strip()
    if not name:
        raise ValidationError(gettext("Say what the token is for."))
    _, text = servicetokens.mint(where, name, scopes, actor=actor, reason=why.of(request.POST))
    title = gettext("The token %(name)s") % {"name": name}
    return Told(title, text, gettext("Shown this once. Keep it like a password; it ends after 90 days."))


def _rotate(request: HttpRequest, actor: Actor, where: Project | Environment) -> Told:
    found = _token(request, actor, where)
    _, text = servicetokens.rotate(found, actor=actor, reason=why.of(request.POST))
    title = gettext("The token %(name)s") % {"name": found.name}
    return Told(title, text, gettext("Shown this once. The old one has ended."))


def _end_token(request: HttpRequest, actor: Actor, where: Project | Environment) -> str:
    found = _token(request, actor, where)
    servicetokens.revoke(found, actor=actor, reason=why.of(request.POST))
    return gettext("%(name)s is revoked: it is refused from now on.") % {"name": found.name}


_VERBS: dict[str, Callable[[HttpRequest, Actor, Project | Environment], str | Told]] = {
    "role": _set_role,
    "invite": _invite,
    "uninvite": _uninvite,
    "grant": _grant,
    "ungrant": _ungrant,
    "mint": _mint,
    "rotate": _rotate,
    "end-token": _end_token,
}


def _project(where: Project | Environment) -> Project:
    return where if isinstance(where, Project) else where.project


def _token(request: HttpRequest, actor: Actor, where: Project | Environment) -> Any:
    found = rosters.service_tokens(actor, _project(where)).filter(pk=_uuid(request.POST)).first()
    if found is None:
        raise Http404
    return found


def _person(asked: QueryDict, name: str = "") -> User:
    found = rosters.by_name(name or asked.get("username", "").strip())
    if found is None:
        raise ValidationError(gettext("Nobody goes by this name. Who has no account yet is invited."))
    return found


def _role(text: str) -> Role:
    if text not in Role.values:
        raise ValidationError(gettext("Choose a role."))
    return Role(text)


def _permission(text: str) -> Permission:
    if text not in Permission.values:
        raise ValidationError(gettext("Choose what it is about."))
    return Permission(text)


def _uuid(asked: QueryDict) -> UUID:
    try:
        return UUID(asked.get("id", ""))
    except ValueError:
        raise Http404 from None
