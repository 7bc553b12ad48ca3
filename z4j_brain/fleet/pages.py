"""The pages of queues and workers: which are there, what they hold and run, how fast, and when they were last heard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from z4j_brain.agents import matrix
from z4j_brain.agents.queries import reach, reach_of
from z4j_brain.agents.states import Presence
from z4j_brain.fleet import crews, flows, menus, queries
from z4j_brain.fleet.crews import BY, Crew
from z4j_brain.fleet.flows import Flow, Outlook
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.lib import keyset, signature
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.stats import figures
from z4j_brain.stats.view import View, told

#: Queues and workers of a page, and queues that are looked at for what wants a word above the table.
QUEUES, WORKERS, DEEPEST = 20, 20, 8
#: Outlooks that want a word, gravest first, and how many words there are at most.
GRAVE, WORDS = (Outlook.UNSERVED, Outlook.FILLS, Outlook.STANDS), 2
#: Names of tasks on a page.
REGISTERED = 50


@require_GET
@login_required
def queues(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    here = queries.queues(actor, place)
    page = keyset.page(here, request.GET.get("cursor"), QUEUES, order="name")
    deepest = list(here.order_by("-depth", "name")[:DEEPEST])
    found = flows.flows(actor, place, list({queue.pk: queue for queue in [*page.results, *deepest]}.values()))
    by_key = {flow.queue.pk: flow for flow in found}
    context = {
        "title": gettext("Queues"),
        "environment": place,
        "page": page,
        "flows": [by_key[queue.pk] for queue in page.results],
        "menus": menus.of_queues(actor, place, page.results),
        "grave": _grave(found),
        "totals": queries.totals(actor, place),
    }
    return render(request, "fleet/queues.html", context)


def _grave(found: list[Flow]) -> list[Flow]:
    some = [flow for flow in found if flow.outlook in GRAVE and flow.queue.depth >= flows.DEEP]
    return sorted(some, key=lambda flow: (GRAVE.index(flow.outlook), -flow.queue.depth))[:WORDS]


@require_GET
@login_required
def queue(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    found = queries.queue(actor, place, id)
    flow, view = flows.flow(actor, place, found), View.of(request.GET)
    takers = queries.takers(actor, place, found)
    # Its figures count all of its tasks: they are for whom none of these is hidden by its name.
    sees_all = rbac.held(actor, place).sees_queue(found.name)
    context = {
        "title": found.name,
        "crumbs": [{"page": "queues", "title": gettext("Queues")}],
        "environment": place,
        "view": view,
        "flow": flow,
        "queue": found,
        "strip": flows.strip(flow, paced=sees_all),
        "menu": menus.of_queues(actor, place, [found])[found.pk],
        "here": urlencode({"queue": found.name, "engine": found.engine}),
        "hands": crews.hands(takers, crews.usual(place, takers)),
    }
    return render(request, "fleet/queue.html", context | (_curves(place, found, view) if sees_all else {}))


def _curves(place: Environment, queue: Queue, view: View) -> dict[str, Any]:
    """What came into a queue, left it and waited there."""
    context = told(place, replace(view.asked, engine=queue.engine, queue=queue.name, name=None))
    points = context["bars"].points
    rates = {
        gettext("arrived"): [one.totals.arrived for one in points],
        gettext("ended"): [one.totals.ended for one in points],
    }
    depths = queries.depths(queue, points)
    waited = (
        figures.curves(points, {gettext("waiting"): depths}) if any(depth is not None for depth in depths) else None
    )
    return context | {"rates": figures.curves(points, rates), "depths": waited}


@require_GET
@login_required
def workers(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Grouped, the busiest of each group; one group as a list; or those that are gone, as a list."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    lately = crews.lately(actor, place)
    chosen = next((by for by in BY if by in request.GET), "")
    by = chosen or (wanted if (wanted := request.GET.get("by", "")) in BY else "code")
    context = {
        "title": gettext("Workers"),
        "environment": place,
        "by": by,
        "counted": crews.counted(lately),
        "known": bool(lately) or queries.workers(actor, place).exists(),
    }
    if chosen or "gone" in request.GET:
        context |= _listed(request, actor, place, chosen)
    else:
        context |= _grouped(place, lately, by)
    return render(request, "fleet/workers.html", context)


def _grouped(place: Environment, lately: list[Worker], by: str) -> dict[str, Any]:
    usual = crews.usual(place, lately)
    groups: list[Crew] = crews.crews((one for one in lately if one.state == Presence.ONLINE), by, usual)
    gone = [worker for worker in lately if worker.state != Presence.ONLINE]
    return {
        "groups": groups[: crews.GROUPS],
        "more_groups": max(len(groups) - crews.GROUPS, 0),
        "gone": crews.hands(gone[: crews.GONE], {}),
        "gone_count": len(gone),
        "lost": sum(len(worker.running) for worker in gone if worker.state == Presence.SILENT),
    }


def _listed(request: HttpRequest, actor: Actor, place: Environment, by: str) -> dict[str, Any]:
    rows, order = crews.gone(actor, place), "-heartbeat_at"
    if by:
        rows, order = crews.of(queries.online(actor, place), by, request.GET[by].replace("\0", "")), "name"
    page = keyset.page(rows, request.GET.get("cursor"), WORKERS, order=order)
    found = crews.hands(page.results, crews.usual(place, page.results))
    return {"page": page, "hands": found, "key": request.GET.get(by, "") if by else ""}


@require_GET
@login_required
def worker(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    found = queries.detail(actor, place, id)
    reach = reach_of(found.agent, found.engine) if found.agent else None
    context = {
        "title": found.name,
        "crumbs": [{"page": "workers", "title": gettext("Workers")}],
        "environment": place,
        "worker": found,
        "menu": menus.of_worker(actor, place, found),
        "runs": crews.runs(found, crews.usual(place, [found])),
        "lines": matrix.lines([reach]) if reach else [],
        "abilities": matrix.Ability,
        "queues": queries.of_worker(actor, place, found),
        "neighbours": queries.on_host(actor, place, found.host) if found.host else [],
    }
    return render(request, "fleet/worker.html", context)


@require_GET
@login_required
def registered(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """The tasks that workers know, each to be run with arguments of somebody's own."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    text = request.GET.get("q", "").replace("\0", "").strip()[:512]
    rows = queries.registrations(actor, place)
    page = keyset.page(
        rows.filter(name__icontains=text) if text else rows, request.GET.get("cursor"), REGISTERED, order="name"
    )
    offers = {engine: reach(place, engine).offer("run") for engine in {one.engine for one in page.results}}
    context = {
        "title": gettext("Run a task"),
        "crumbs": [{"page": "tasks", "title": gettext("Tasks")}],
        "environment": place,
        "text": text,
        "page": page,
        "rows": [
            (one, signature.text(one.params) if one.params is not None else "", offers[one.engine])
            for one in page.results
        ],
        "may_run": rbac.may(actor, Permission.RUN, place),
    }
    return render(request, "fleet/registered.html", context)
