"""The pages of the shell: the way in, the jump to a task, what can be done, the doctor, and setting up once."""

from __future__ import annotations

from dataclasses import replace

from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from z4j_brain.agents import matrix
from z4j_brain.agents import queries as agents
from z4j_brain.fleet import findings
from z4j_brain.lib.problem import by_field
from z4j_brain.lib.source import pack
from z4j_brain.panel import finding
from z4j_brain.rbac import access, actions
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import SETUP_LINK, Actor
from z4j_brain.rbac.models import Setup
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import actions as tasks_actions
from z4j_brain.tasks import queries as tasks
from z4j_brain.tasks.hellos import last as last_hellos
from z4j_brain.tasks.query_string import View
from z4j_brain.tasks.spans import Bounds
from z4j_brain.tasks.states import TaskState

#: Tasks that the palette offers.
FOUND = 6


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The overview of the first environment; how to connect a worker while no agent was heard there."""
    actor = Actor.of(request)
    place = access.environments(actor).first()
    if place is None:
        return render(request, "panel/nowhere.html", {"title": gettext("Nothing to see yet")})
    page = "overview" if agents.agents(actor, place).exists() else "connect"
    return redirect(page, project=place.project.slug, environment=place.slug)


@require_GET
@login_required
def jump(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What the palette asks: what there is to go to, and suggestions, for htmx; for a person the one task by that id,
    else a search in the list.
    """
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    if "places" in request.GET:
        return render(request, "components/palette_places.html", {"environment": place})
    text = request.GET.get("q", "").strip()
    wanted = View.from_query(request.GET).narrowing(place)
    unlimited = replace(wanted, bounds=Bounds())
    held = access.permissions(actor, place)
    found = tasks.page(place, unlimited, None, FOUND, held).results if text else []
    if "HX-Request" in request.headers:
        groups = finding.found(actor, place, text)
        context = {"tasks": found, "groups": groups, "environment": place}
        return render(request, "components/palette_found.html", context)
    if len(found) == 1:
        return redirect("task", project=project, environment=environment, id=found[0].pk)
    listed = reverse("tasks", kwargs={"project": project, "environment": environment})
    return redirect(f"{listed}?{urlencode({'q': text, 'since': 'all'})}" if text else listed)


@require_GET
@login_required
def components(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Every part that pages are made of, with made-up words: for whoever draws the next one."""
    place = rbac.environment(Actor.of(request), project, environment)
    context = {"title": gettext("Components"), "environment": place, "states": TaskState.values}
    return render(request, "style/page.html", context)


@require_GET
@login_required
def capabilities(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What can be done with which engine, as the agents here say it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    engines, schedulers = agents.engines(actor, place), agents.schedulers(actor, place)
    chosen = next((one for one in (*engines, *schedulers) if one.engine == request.GET.get("engine")), None)
    tables = [("engine", engines, matrix.lines(engines)), ("scheduler", schedulers, matrix.lines(schedulers))]
    context = {
        "title": gettext("Capabilities"),
        "environment": place,
        "engines": [*engines, *schedulers],
        "chosen": chosen,
        "lines": matrix.lines([chosen]) if chosen else [],
        "tables": [table for table in tables if table[1]],
        "abilities": matrix.Ability,
    }
    return render(request, "panel/capabilities.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def doctor(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET tells what is wrong and what will hurt; POST sends a hello through an engine."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rbac.require_everything(actor, place)
    engines = agents.engines(actor, place)
    if request.method == "POST":
        chosen = [one.engine for one in engines if one.engine in request.POST.getlist("engine")]
        if not chosen:
            return HttpResponseBadRequest(gettext("Name an engine of which a worker was heard here."))
        tasks_actions.hello(place, chosen, actor=actor)
        return redirect("doctor", project=project, environment=environment)
    hellos = last_hellos(place, [one.engine for one in engines])
    context = {
        "title": gettext("Doctor"),
        "environment": place,
        "wrong": findings.wrong(actor, place),
        "advice": findings.advice(place),
        "engines": [(one, one.offer("hello"), hellos.get(one.engine)) for one in engines],
        "may_send": rbac.may(actor, Permission.MANAGE_AGENTS, place),
    }
    return render(request, "panel/doctor.html", context)


@require_GET
@login_required
def source(request: HttpRequest) -> HttpResponse:
    """The source of what runs here, for everybody who uses it."""
    return HttpResponse(pack(), content_type="application/gzip")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def set_up(request: HttpRequest, link: str) -> HttpResponse:
    """Behind the one-time link: the first administrator. A used or old link does not exist."""
    if not Setup.accepts(link):
        raise Http404
    name, errors = request.POST.get("username", "").strip(), {}
    if request.method == "POST":
        try:
            password = request.POST.get("password", "")
            user = actions.create_owner(access.INSTANCE, name, password, link=link, actor=SETUP_LINK)
        except actions.AlreadySetUp as error:
            raise Http404 from error
        except ValidationError as error:
            errors = by_field(error, rest="password")
        else:
            record_authentication(request, user, "password")
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("home")
    context = {"title": gettext("Set up"), "name": name, "errors": errors}
    return render(request, "panel/set_up.html", context, status=400 if errors else 200)
