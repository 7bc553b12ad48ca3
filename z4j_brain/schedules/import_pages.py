"""The page on which a crontab becomes schedules of z4j's own: first what would come of it, then for good."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from z4j_brain.lib import nouns, why, zones
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import editor, importing, spoken
from z4j_brain.schedules.importing import TakenIn
from z4j_brain.schedules.pages import CRUMBS

LONGEST = 262_144


@sensitive_post_parameters("text")
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def imported(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """POST with `look` changes nothing. What was not looked at in this very form is not imported."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rbac.require(actor, Permission.EDIT_SCHEDULES, place)
    fields = {"text": "", "queue": "", "zone": "UTC"} | editor.only_engine(actor, place)
    if request.method == "GET":
        return _form(request, actor, place, fields)
    fields |= {name: request.POST.get(name, "").replace("\0", "").strip() for name in ("engine", "queue", "zone")}
    text = fields["text"] = request.POST.get("text", "").replace("\0", "")[:LONGEST]
    usual = {name: fields[name] for name in ("engine", "queue", "zone") if fields[name]}
    errors: dict[str, list[str]] = {}
    try:
        if "look" not in request.POST:
            taken = importing.take_in(place, text, usual, actor=actor, reason=why.of(request.POST))
            done = gettext("%(schedules)s imported.") % {"schedules": nouns.schedules(len(taken.schedules))}
            messages.success(request, done, extra_tags="good")
            return redirect("schedules", project=project, environment=environment)
    except Problem as problem:
        errors = _errors(problem)
    try:
        found = importing.look(place, text, usual)
    except Problem as problem:
        return _form(request, actor, place, fields, errors=errors | _errors(problem))
    return _form(request, actor, place, fields, found, errors)


def _form(
    request: HttpRequest,
    actor: Actor,
    place: Environment,
    fields: dict[str, str],
    found: TakenIn | None = None,
    errors: dict[str, list[str]] | None = None,
) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {
        "title": gettext("Import a crontab"),
        "crumbs": CRUMBS,
        "environment": place,
        "fields": fields,
        "errors": errors or {},
        "found": found,
        "faults": [(fault["pointer"].rpartition("/")[2], fault["detail"]) for fault in found.faults] if found else [],
        "rows": [],
        "ready": bool(found and found.schedules and not found.faults),
        "engines": editor.engines(actor, place),
        "zones": sorted(zones.names()),
        "reason": why.of(request.POST),
    }
    for one in found.schedules if found else ():
        upcoming = [spoken.clock(one, time) for time in spoken.upcoming(one, now, 1)]
        context["rows"].append((one, spoken.words(one), upcoming[0] if upcoming else gettext("never")))
    return render(request, "schedules/import.html", context, status=400 if errors else 200)


def _errors(problem: Problem) -> dict[str, list[str]]:
    """What is wrong with a line stands at the line, not here."""
    found: dict[str, list[str]] = {}
    for fault in problem.errors or [{"pointer": "", "detail": problem.detail}]:
        name = fault["pointer"].removeprefix("#/")
        if "/" not in name:
            found.setdefault(name if name in ("text", "reason") else "", []).append(fault["detail"])
    return found or {"line": [problem.detail]}
