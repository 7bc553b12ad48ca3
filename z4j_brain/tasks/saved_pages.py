"""The menus and the page of what people keep about the list of tasks: views under a name, and its columns."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from z4j_brain.lib import why
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import actions, columns, saved
from z4j_brain.tasks.models import SavedView
from z4j_brain.tasks.query_string import View

CRUMBS = [{"page": "tasks", "title": gettext_lazy("Tasks")}]
#: Columns, and the names of kept views by what they ask.
Chosen = tuple[tuple[str, ...], dict[str, str]]


def chosen(actor: Actor, place: Environment) -> Chosen:
    """What a reader has chosen about the list of tasks."""
    return saved.shown(actor), {one.query: one.name for one in saved.views(actor, place)}


def taste(request: HttpRequest, found: Chosen) -> tuple[tuple[str, ...], str | None]:
    """What of it the list at this address depends on."""
    return found[0], found[1].get(View.from_query(request.GET).kept)


@require_http_methods(["GET", "POST"])
@login_required
def views(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET is the list's menu for htmx, else the page on which views are renamed and deleted; POST keeps one more."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    given = request.POST if request.method == "POST" else request.GET
    view = View.from_query(given)
    wrong: list[str] = []
    if request.method == "POST":
        save = actions.share_view if given.get("shared") else actions.save_view
        try:
            made = save(place, given.get("as", ""), view.kept, actor=actor, reason=why.of(given))
        except ValidationError as error:
            wrong = error.messages
        else:
            messages.success(request, gettext("%(name)s is kept.") % {"name": made.name}, extra_tags="good")
            return redirect(f"{reverse('tasks', args=(project, environment))}?{made.query}")
    context = _told(actor, place) | {"view": view, "name": given.get("as", ""), "wrong": wrong}
    if "HX-Request" in request.headers:
        return render(request, "tasks/_views.html", context)
    context |= {"title": gettext("Views"), "crumbs": CRUMBS, "asks": bool(given)}
    return render(request, "tasks/views.html", context, status=400 if wrong else 200)


@require_POST
@login_required
def steer(request: HttpRequest, project: str, environment: str, id: int, verb: str) -> HttpResponse:
    """Give a view another name, find it first or no longer, delete it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    view, told = saved.view(actor, place, id), {"actor": actor, "reason": why.of(request.POST)}
    try:
        _steer(view, verb, request.POST.get("as", ""), told)
    except ValidationError as error:
        context = _told(actor, place) | {"title": gettext("Views"), "crumbs": CRUMBS, "wrong": error.messages}
        return render(request, "tasks/views.html", context, status=400)
    return redirect("task-views", project=project, environment=environment)


@require_http_methods(["GET", "POST"])
@login_required
def arrange(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET asks which columns are to be seen, as the list's menu for htmx, else as a page; POST keeps them."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    if request.method == "POST":
        chosen = columns.USUAL if request.POST.get("usual") else request.POST.getlist("column")
        actions.arrange(place, chosen, actor=actor, reason=why.of(request.POST))
        back = View.from_query(request.POST).address
        return redirect(f"{reverse('tasks', args=(project, environment))}{back}")
    shown = saved.shown(actor)
    context = {
        "environment": place,
        "view": View.from_query(request.GET),
        "columns": [(column, column.name in shown) for column in columns.ALL],
    }
    if "HX-Request" in request.headers:
        return render(request, "tasks/_columns.html", context)
    return render(request, "tasks/columns.html", context | {"title": gettext("Columns"), "crumbs": CRUMBS})


def _steer(view: SavedView, verb: str, name: str, told: dict[str, Any]) -> None:
    match verb:
        case "rename":
            actions.change_view(view, {"name": name}, **told)
        case "first" | "usual":
            actions.make_first(view, verb == "first", **told)
        case "delete":
            actions.delete_view(view, **told)
        case _:
            raise Http404


def _told(actor: Actor, place: Environment) -> dict[str, Any]:
    """The views there are, each with what it shows in words."""
    found = [(one, View.of_address(one.query)) for one in saved.views(actor, place)[: 2 * saved.MOST]]
    groups = [(gettext("Yours"), [pair for pair in found if not pair[0].is_shared])]
    groups.append((gettext("Everybody’s"), [pair for pair in found if pair[0].is_shared]))
    shares = rbac.may(actor, Permission.MANAGE_PROJECT, place)
    return {"environment": place, "groups": groups, "shares": shares, "longest": 60}
