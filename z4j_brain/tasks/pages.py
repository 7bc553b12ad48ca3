"""The pages of tasks: the list, one task, and what is asked before tasks are retried or cancelled."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from z4j_brain.agents import queries as agents
from z4j_brain.fleet import queries as fleet
from z4j_brain.lib import why
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import queries as operations
from z4j_brain.rbac import access, onshow
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import (
    actions,
    exporting,
    masking,
    originals,
    picture,
    queries,
    relatives,
    replay,
    saved,
    suggesting,
    telling,
    tracelink,
    trend,
    verbs,
    workflow,
)
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.query_string import LONGEST, View
from z4j_brain.tasks.waiting import waiting

#: Rows of a page of the list.
SHOWN = 40


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    kept = list(saved.views(actor, place)[: 2 * saved.MOST])
    first = saved.first(kept)
    if first and not request.GET and "X-Live" not in request.headers:
        return redirect(f"{request.path}?{first.query}")
    view, held = View.from_query(request.GET), access.permissions(actor, place)
    wanted = queries.looked_up(place, view.narrowing(place), held)
    counts = queries.count(place, wanted, held)
    page = queries.page(place, wanted, view.cursor or None, SHOWN, held).known(counts.of(view.state))
    context = {
        "title": gettext("Tasks"),
        "page_title": view.title,
        "environment": place,
        "view": view,
        "kept": next((one for one in kept if one.query == view.kept), None),
        "columns": saved.shown(actor),
        "page": page,
        "newer": view.at(page.previous).address if page.previous else "",
        "older": view.at(page.next).address if page.next else "",
        "chips": [(state, number, view.with_state(state).address) for state, number in counts.present],
        "total": page.total or counts.of(view.state),
        "is_new": not page.results and not agents.agents(actor, place).exists(),
        "may_run": verbs.RUN.permission in held,
        "may_take_values": Permission.VIEW_PAYLOAD in held and not onshow.is_presenting(request.session),
        "bulk": [verb for verb in verbs.BULK if verb.permission in held],
        "may": {verb: permission in held for verb, permission in queries.VERBS.items()},
    }
    return render(request, "tasks/list.html", context)


@require_GET
@login_required
def export(request: HttpRequest, project: str, environment: str) -> HttpResponseBase:
    """The list as a file: all of it, from the newest on."""
    actor, form = Actor.of(request), request.GET.get("format", "csv")
    place = rbac.environment(actor, project, environment)
    if form not in exporting.TYPES:
        return HttpResponseBadRequest(gettext("The format is csv or jsonl."))
    view, held = View.from_query(request.GET), access.permissions(actor, place)
    payload, reason = request.GET.get("payload") == "1", why.of(request.GET)
    wanted, told = view.narrowing(place), view.parameters
    try:
        return exporting.answer(request, place, wanted, told, form, held, actor, payload=payload, reason=reason)
    except Problem as problem:
        if not problem.errors:
            raise
        wrong = [fault["detail"] for fault in problem.errors]
    crumbs = [{"page": "tasks", "title": gettext("Tasks")}]
    context = {"title": gettext("Export values"), "crumbs": crumbs, "environment": place, "view": view, "wrong": wrong}
    return render(request, "tasks/export.html", context | {"form": form}, status=400)


@require_GET
@login_required
def words(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What the search box suggests for the word at its cursor."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    word = request.GET.get("q", "").replace("\0", "")[:LONGEST]
    found = suggesting.suggestions(actor, place, access.permissions(actor, place), word)
    return render(request, "tasks/_words.html", {"suggestions": found})


@require_GET
@never_cache
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    task = queries.detail(actor, place, id)
    told = telling.values(actor, request.session, task)
    context = (
        _story(actor, task, values=told["values"].shown)
        | told
        | {
            "title": task.name or gettext("Unnamed task"),
            "crumbs": [{"page": "tasks", "title": gettext("Tasks")}],
            "environment": place,
            "task": task,
            "can": queries.availability(actor, task),
            "replay": replay.verdict(task) if task.is_final else [],
            "worker": fleet.by_name(actor, place, task.engine, task.worker) if task.worker else None,
            "waiting": waiting(actor, task),
            "trace_address": tracelink.address(task),
            "trend": trend.trend(task) if rbac.sees_everything(actor, place) else None,
            "reveals": bool(originals.kids([task.pk])) and Permission.REVEAL in access.permissions(actor, place),
        }
    )
    return render(request, "tasks/detail.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def show(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """GET asks whether the values of a task are to be shown; POST records that, and shows them for a while."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    task = queries.detail(actor, place, id)
    back = redirect("task", project=project, environment=environment, id=id)
    wrong: list[str] = []
    if request.method == "POST" and not onshow.is_presenting(request.session):
        try:
            actions.show(task, actor=actor, reason=why.of(request.POST))
        except Problem as problem:
            wrong = [fault["detail"] for fault in problem.errors] or [problem.detail]
        else:
            onshow.show(request.session, task.pk)
            return back
    rbac.require(actor, Permission.VIEW_PAYLOAD, task)
    if not wrong and not masking.values(actor, request.session, task).askable:
        return back
    crumbs = [{"page": "tasks", "title": gettext("Tasks")}]
    context = {"title": gettext("Show values"), "crumbs": crumbs, "environment": place, "task": task, "wrong": wrong}
    return render(request, "tasks/show.html", context, status=400 if wrong else 200)


@require_POST
@login_required
def hide(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """Before its time is over."""
    rbac.environment(Actor.of(request), project, environment)
    onshow.hide(request.session, id)
    return redirect("task", project=project, environment=environment, id=id)


def _story(actor: Actor, task: Task, *, values: bool) -> dict[str, Any]:
    """What happened to a task, what is around it, and who had a hand in it."""
    found = relatives.relatives(actor, task)
    asked = operations.touching(task.environment, "task", [str(task.pk)])[:1]
    flow = workflow.workflow(found)
    return {
        "attempts": queries.timeline(task, values=values)[::-1],
        "workflow": flow,
        "picture": picture.picture(flow) if flow else None,
        "asked": asked,
        "again": found.retried_as(asked[0].new_task_id) if asked else None,
        "touches": queries.touched(task),
    }
