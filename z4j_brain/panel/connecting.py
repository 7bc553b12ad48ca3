"""The page of the first run: what to copy, and whether a worker and a task of it have come."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from z4j_brain.agents import actions, guides
from z4j_brain.fleet import arrivals
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import queries as tasks
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET shows the steps; POST makes a key and shows its DSN, this once."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    dsn = _mint(request, actor, place) if request.method == "POST" else ""
    guide = guides.chosen(request.GET.get("with", ""), request.GET.get("in", ""))
    arrival = arrivals.arrival(actor, place, guide.engine.slug)
    context = {
        "title": gettext("Connect an agent"),
        "environment": place,
        "dsn": dsn,
        "export": f"export Z4J_DSN='{dsn}'",
        "guide": guide,
        "engines": guides.engines(),
        "frameworks": guides.frameworks(guide.engine),
        "arrival": arrival,
        "task": _newest(actor, place, guide.engine.slug) if arrival.worker else None,
        "manages": rbac.may(actor, Permission.MANAGE_AGENTS, place),
    }
    return render(request, "panel/connect.html", context)


def _mint(request: HttpRequest, actor: Actor, place: Environment) -> str:
    name = request.POST.get("name", "").strip()[:128] or "worker"
    _, dsn = actions.mint_key(place, name=name, actor=actor)
    return dsn


def _newest(actor: Actor, place: Environment, engine: str) -> Task | None:
    """The newest task of the engine that the actor may see, whenever it was."""
    wanted = Narrowing(equal={"engine": (engine,)})
    return next(iter(tasks.page(place, wanted, None, 1, access.permissions(actor, place)).results), None)
