"""The pages of maintenance windows: when nobody is told, and the form by which that is said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from z4j_brain.alerts import actions, queries, windows
from z4j_brain.alerts.models import Window
from z4j_brain.alerts.pages import CRUMBS, Errors
from z4j_brain.lib import ids, why, zones
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import by_field
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

HERE = [*CRUMBS, {"page": "alert-windows", "title": gettext_lazy("Maintenance windows")}]
#: What the form says where nothing was said yet.
EMPTY = {"name": "", "when": "once", "cron": "", "zone": "UTC", "minutes": "60", "starts_at": "", "ends_at": ""}


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Each with when it is, and until when it goes on."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    now = timezone.now()
    rows = queries.windows(actor, place).order_by("name")[: queries.MOST]
    context = {
        "title": gettext("Maintenance windows"),
        "crumbs": CRUMBS,
        "environment": place,
        "windows": [(one, windows.words(one), windows.until(one, now), windows.begins_next(one, now)) for one in rows],
        "manages": rbac.may(actor, Permission.MANAGE_PROJECT, place),
    }
    return render(request, "alerts/windows.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment, Permission.MANAGE_PROJECT)
    return _form(request, actor, place, Window(environment=place))


@require_http_methods(["GET", "POST"])
@login_required
def edit(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    window = queries.one(queries.windows(actor, place), id)
    rbac.require(actor, Permission.MANAGE_PROJECT, window)
    return _form(request, actor, place, window)


@require_POST
@login_required
def remove(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """What it kept from being told, and still goes on, is told at the next look."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    window = queries.one(queries.windows(actor, place), id)
    actions.remove_window(window, actor=actor, reason=why.of(request.POST))
    return redirect("alert-windows", project=project, environment=environment)


def _form(request: HttpRequest, actor: Actor, place: Environment, window: Window) -> HttpResponse:
    """The form with what is there, or with what was typed and what is wrong with it."""
    errors: Errors = {}
    given, chosen = _said(window)
    if request.method == "POST":
        given = {name: request.POST.get(name, "").strip() for name in EMPTY}
        chosen = ids.numbers(request.POST.getlist("rules"))
        given["all_rules"] = request.POST.get("all_rules", "")
        try:
            asked = _asked(given) | {"rules": chosen}
            told: dict[str, Any] = {"actor": actor, "reason": why.of(request.POST)}
            if window.pk:
                actions.edit_window(window, asked, **told)
            else:
                actions.add_window(place, asked, **told)
        except ValidationError as error:
            errors = by_field(error)
        else:
            messages.success(request, gettext("%(name)s is saved.") % {"name": given["name"]}, extra_tags="good")
            return redirect("alert-windows", project=place.project.slug, environment=place.slug)
    context = {
        "title": window.name if window.pk else gettext("New maintenance window"),
        "crumbs": HERE,
        "environment": place,
        "window": window,
        "given": given,
        "rules": [(one, one.pk in chosen) for one in queries.rules(actor, place).order_by("name")[: queries.MOST]],
        "errors": errors,
        "zones": sorted(zones.names()),
        "reason": why.of(request.POST),
    }
    return render(request, "alerts/window.html", context, status=400 if errors else 200)


def _said(window: Window) -> tuple[dict[str, str], list[int]]:
    if not window.pk:
        return EMPTY | {"all_rules": "1"}, []
    said = {"name": window.name, "zone": window.zone, "cron": window.cron, "when": "cron" if window.cron else "once"}
    said |= {"minutes": str(window.minutes or 60), "all_rules": "1" if window.all_rules else "0"}
    where = zones.zone(window.zone)
    for name, moment in (("starts_at", window.starts_at), ("ends_at", window.ends_at)):
        said[name] = f"{moment.astimezone(where):%Y-%m-%dT%H:%M}" if moment else ""
    return said, [rule.pk for rule in window.rules.all()]


def _asked(given: dict[str, str]) -> dict[str, Any]:
    """What was typed as the action takes it. Raises ValidationError by field."""
    asked: dict[str, Any] = {"name": given["name"], "zone": given["zone"], "all_rules": given["all_rules"] == "1"}
    if given["when"] == "cron":
        if not given["cron"]:
            raise ValidationError({"cron": gettext("Say when it begins, as in 0 2 * * SUN.")})
        asked |= {"cron": given["cron"], "minutes": whole(given["minutes"], 8) or 0}
        return asked | {"starts_at": None, "ends_at": None}
    asked |= {name: _moment(name, given[name], given["zone"]) for name in ("starts_at", "ends_at")}
    return asked | {"cron": "", "minutes": None}


def _moment(name: str, text: str, zone: str) -> datetime | None:
    try:
        where = zones.zone(zone)
    except ValueError as error:
        raise ValidationError({"zone": str(error)}) from None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise ValidationError({name: gettext("This is no time.")}) from None
    try:
        return zones.exact(moment, where) if moment else None
    except OverflowError:
        raise ValidationError({name: gettext("This is no time.")}) from None
    except ValueError as error:
        raise ValidationError({name: str(error)}) from None
