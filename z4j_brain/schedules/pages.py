"""The pages of schedules: all of them, the next day of all of them, and one with its runs."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from z4j_brain.lib import keyset, why
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import access, onshow
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import drift, menus, showing, spoken, story, ticks, timeline, view
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.view import Row, View

#: Rows of a page of the list, and of the runs of one schedule.
SHOWN, RUNS = 16, 15
#: How far ahead the list warns of changed clocks, and of how many schedules.
SOON, WARNED = timedelta(days=14), 3
CRUMBS = [{"page": "schedules", "title": gettext_lazy("Schedules")}]


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    asked, here, alive = View.of(request.GET), view.schedules(actor, place), view.alive(place)
    page = keyset.page(asked.narrowed(here, alive), request.GET.get("cursor"), SHOWN, order="key")
    now, held = timezone.now(), access.permissions(actor, place)
    marks, found = ticks.glimpses(page.results), menus.of(actor, place, page.results)
    context = {
        "title": gettext("Schedules"),
        "environment": place,
        "view": asked,
        "page": page,
        "rows": [Row.of(one, marks[one.pk], view.is_silent(one, alive)) for one in page.results],
        "menus": {one.pk: menus.short(one, found.get(one.pk, [])) for one in page.results},
        "chips": list(asked.chips(here, alive)),
        "counts": view.counted(here),
        "known": asked.is_narrow or bool(page.results) or here.exists(),
        "sources": view.choices(here, "source"),
        "engines": view.choices(here, "engine"),
        "notices": [one for one in spoken.changes(page.results, now) if one.change.shift.at - now < SOON][:WARNED],
        "bulk": menus.bulk(held),
        "may_create": Permission.EDIT_SCHEDULES in held,
    }
    return render(request, "schedules/list.html", context)


@require_GET
@login_required
def ahead(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What starts when in the next 24 hours, and where much of it comes together."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    found = timeline.of(view.schedules(actor, place), timezone.now())
    context = {"title": gettext("Next 24 hours"), "crumbs": CRUMBS, "environment": place, "timeline": found}
    return render(request, "schedules/timeline.html", context)


@require_GET
@never_cache
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    schedule = story.detail(actor, place, id)
    now = timezone.now()
    page = keyset.page(story.runs(schedule), request.GET.get("cursor"), RUNS, order="-moment")
    schedulers = view.schedulers(place, schedule.source)
    silent = view.is_silent(schedule, view.alive(place))
    values = showing.values(actor, request.session, schedule)
    menu = menus.of(actor, place, [schedule]).get(schedule.pk, [])
    changes = spoken.changes([schedule], now)
    context = {
        "title": schedule.key,
        "crumbs": CRUMBS,
        "environment": place,
        "schedule": schedule,
        "row": Row.of(schedule, ticks.of(schedule), silent),
        "words": spoken.words(schedule),
        "upcoming": [(time, spoken.clock(schedule, time)) for time in spoken.upcoming(schedule, now)],
        "changes": changes,
        "notices": [one for one in changes if one.change.shift.at - now < SOON],
        "asked": story.lately(schedule),
        "page": page,
        "runs": [story.Line(run) for run in page.results],
        "trend": story.trend(schedule),
        "drift": drift.of(schedule),
        "schedulers": schedulers,
        "acts": story.acts(schedule, menu),
        "more": story.more(menu),
        "own": schedule.source == OWN,
        "values": values,
        "edits": story.editable(actor, schedule),
    }
    return render(request, "schedules/detail.html", context | showing.told(schedule, values))


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def show(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """GET asks whether the arguments of a schedule are to be shown; POST records that, and shows them for a while."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    schedule = story.detail(actor, place, id)
    back = redirect("schedule", project=project, environment=environment, id=id)
    wrong: list[str] = []
    if request.method == "POST" and not onshow.is_presenting(request.session):
        try:
            showing.show(schedule, actor=actor, reason=why.of(request.POST))
        except Problem as problem:
            wrong = [fault["detail"] for fault in problem.errors] or [problem.detail]
        else:
            onshow.show(request.session, showing.key(schedule))
            return back
    rbac.require(actor, Permission.VIEW_PAYLOAD, schedule)
    if not wrong and not showing.values(actor, request.session, schedule).askable:
        return back
    context = {"title": gettext("Show arguments"), "crumbs": CRUMBS, "environment": place, "schedule": schedule}
    return render(
        request,
        "schedules/show.html",
        context | {"own": schedule.source == OWN, "wrong": wrong},
        status=400 if wrong else 200,
    )


@require_POST
@login_required
def hide(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """Before its time is over."""
    rbac.environment(Actor.of(request), project, environment)
    onshow.hide(request.session, f"{showing.KIND}:{id}")
    return redirect("schedule", project=project, environment=environment, id=id)
