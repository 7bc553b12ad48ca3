"""The pages on which schedules of z4j's own are made and changed, with what their plan comes to while it is typed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from z4j_brain.agents import queries as agents
from z4j_brain.fleet import queries as fleet
from z4j_brain.lib import why, zones
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import given, own, spoken, story, written
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.pages import CRUMBS
from z4j_brain.schedules.states import OWN, CatchUp, Overlap

#: Names of tasks that the form suggests.
SUGGESTED = 300
CHANGED = 412


@sensitive_post_parameters("args", "kwargs")
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def new(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET begins with what the address says; POST makes it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rbac.require(actor, Permission.EDIT_SCHEDULES, place)
    if request.method == "GET":
        return _form(request, actor, place, written.filled(only_engine(actor, place) | request.GET.dict()))
    fields = written.filled(request.POST.dict())
    try:
        made = own.create(place, written.told(fields, anew=True), actor=actor, reason=why.of(request.POST))
    except Problem as problem:
        return _form(request, actor, place, fields, problem=problem)
    messages.success(request, gettext("%(name)s is made.") % {"name": made.key}, extra_tags="good")
    return redirect("schedule", project=project, environment=environment, id=made.pk)


@sensitive_post_parameters("args", "kwargs")
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def edit(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """POST changes it, unless somebody else has done so since the form was opened."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    schedule = story.detail(actor, place, id)
    if schedule.source != OWN:
        raise Http404(gettext("Only schedules of z4j's own are changed on this page."))
    rbac.require(actor, Permission.EDIT_SCHEDULES, schedule)
    if request.method == "GET":
        return _form(request, actor, place, written.of(schedule), schedule)
    fields, seen = written.filled(request.POST.dict()), request.POST.get("version", "")
    version = whole(seen, 9) or 0
    try:
        told = written.told(fields, anew=False)
        own.edit(schedule, told, version, actor=actor, reason=why.of(request.POST))
    except Problem as problem:
        return _form(request, actor, place, fields, schedule, problem)
    messages.success(request, gettext("Saved. It is due by its new plan from now on."), extra_tags="good")
    return redirect("schedule", project=project, environment=environment, id=id)


@require_GET
@never_cache
@login_required
def words(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What a plan that is being typed comes to: in words, with its next times, or what is wrong with it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    context = {"environment": place} | _preview(written.filled(request.GET.dict()))
    return render(request, "schedules/_preview.html", context)


def _preview(fields: dict[str, str]) -> dict[str, Any]:
    now = timezone.now()
    tried = Schedule(source=OWN, key="x", task="x", engine="x")
    try:
        faults: list[Any] = []
        said = written.plan(fields, faults)
        if faults:
            return {}
        given.read(tried, said | {"zone": fields["zone"].strip()})
    except Problem as problem:
        return {"wrong": [fault["detail"] for fault in problem.errors]}
    upcoming = [(time, spoken.clock(tried, time)) for time in spoken.upcoming(tried, now)]
    changes = [one.change for one in spoken.changes([tried], now)][:3]
    return {"words": spoken.words(tried), "upcoming": upcoming, "zone": tried.zone, "changes": changes}


def engines(actor: Actor, place: Environment) -> list[str]:
    """Those that can be asked to run a task."""
    found = agents.engines(actor, place)
    return [reach.engine for reach in found if any("run" in voice.capabilities for voice in reach.voices)]


def only_engine(actor: Actor, place: Environment) -> dict[str, str]:
    """The engine, where there is only one to choose."""
    found = engines(actor, place)
    return {"engine": found[0] if len(found) == 1 else ""}


def _form(
    request: HttpRequest,
    actor: Actor,
    place: Environment,
    fields: dict[str, str],
    schedule: Schedule | None = None,
    problem: Problem | None = None,
) -> HttpResponse:
    changed = problem is not None and problem.status == CHANGED
    if changed and schedule:
        schedule.refresh_from_db()
    context = {
        "title": gettext("Edit %(name)s") % {"name": schedule.key} if schedule else gettext("New schedule"),
        "crumbs": CRUMBS,
        "environment": place,
        "schedule": schedule,
        "fields": fields,
        "errors": written.errors(problem) if problem and not changed else {},
        "changed": changed,
        "live": spoken.words(schedule) if schedule and changed else "",
        "engines": engines(actor, place),
        "tasks": fleet.registrations(actor, place).order_by("name")[:SUGGESTED],
        "zones": sorted(zones.names()),
        "ways": written.WAYS,
        "units": written.UNITS,
        "catch_ups": CatchUp.choices,
        "overlaps": Overlap.choices,
        "reason": why.of(request.POST),
    } | {"preview": _preview(fields)}
    return render(
        request, "schedules/edit.html", context, status=(problem.status if changed else 400) if problem else 200
    )
