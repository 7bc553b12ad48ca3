"""The pages of alerts: the rules, the form on which one is written and tried, and what they have found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from z4j_brain.alerts import actions, dry, kinds, queries, windows
from z4j_brain.alerts.kinds import Setting
from z4j_brain.alerts.models import Rule
from z4j_brain.alerts.states import Kind
from z4j_brain.lib import ids, keyset, why
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import Problem, of
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

#: Of what was found, and rules; and of what goes on, above those.
SHOWN, RULES, NOW = 50, 25, 15
CRUMBS = [{"page": "alerts", "title": gettext_lazy("Alerts")}]
#: How long a rule is muted, as the menu says it.
MUTES = {
    "1h": (gettext_lazy("for an hour"), 1),
    "8h": (gettext_lazy("for 8 hours"), 8),
    "1d": (gettext_lazy("for a day"), 24),
    "7d": (gettext_lazy("for a week"), 168),
}
Errors = dict[str, list[str]]


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """The rules, each with how it is now, and the alerts that go on."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rules = queries.rules(actor, place).select_related(None)
    page = keyset.page(rules, request.GET.get("cursor"), RULES, order="name")
    planned = queries.windows(actor, place).select_related(None).prefetch_related(None).order_by("name")
    at_work = windows.going_on(planned[: queries.MOST], timezone.now())
    prefetch_related_objects([window for window, _ in at_work], "rules")
    now = list(queries.alerts(actor, place).filter(ended_at=None).order_by("-id")[: NOW + 1])
    context = {
        "title": gettext("Alerts"),
        "environment": place,
        "rules": [
            (rule, next((end for one, end in at_work if windows.is_about(one, rule)), None)) for rule in page.results
        ],
        "page": page,
        "at_work": at_work,
        "going_on": now[:NOW],
        "more_go_on": len(now) > NOW,
        "manages": rbac.may(actor, Permission.MANAGE_PROJECT, place),
        "mutes": rbac.may(actor, Permission.MANAGE_OPERATIONS, place),
        "spans": [(value, label) for value, (label, _) in MUTES.items()],
    }
    return render(request, "alerts/list.html", context)


@require_GET
@login_required
def history(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What the rules have found, newest first."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    page = keyset.page(queries.alerts(actor, place), request.GET.get("cursor"), SHOWN)
    context = {"title": gettext("What was found"), "crumbs": CRUMBS, "environment": place, "page": page}
    return render(request, "alerts/history.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET asks what is to be watched for, then for the rest; POST tries the rule, or makes it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment, Permission.MANAGE_PROJECT)
    kind = request.GET.get("kind", "")
    if kind not in Kind.values:
        context = {"title": gettext("New rule"), "crumbs": CRUMBS, "environment": place, "kinds": Kind.choices}
        return render(request, "alerts/kinds.html", context)
    rule = Rule(environment=place, kind=kind, settings=kinds.usual(Kind(kind)), name=str(Kind(kind).label))
    return _form(request, actor, place, rule)


@require_http_methods(["GET", "POST"])
@login_required
def edit(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """POST tries what stands in the form, or changes the rule, unless somebody else has done so since."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rule = queries.one(queries.rules(actor, place), id)
    rbac.require(actor, Permission.MANAGE_PROJECT, rule)
    return _form(request, actor, place, rule)


@require_POST
@login_required
def steer(request: HttpRequest, project: str, environment: str, id: int, verb: str) -> HttpResponse:
    """Mute a rule, or have it tell again; switch it on or off; delete it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    rule, told = queries.one(queries.rules(actor, place), id), {"actor": actor, "reason": why.of(request.POST)}
    match verb:
        case "mute":
            hours = MUTES.get(request.POST.get("for", ""), MUTES["1h"])[1]
            actions.mute_rule(rule, timezone.now() + timedelta(hours=hours), **told)
        case "unmute":
            actions.mute_rule(rule, None, **told)
        case "enable" | "disable":
            actions.edit_rule(rule, {"enabled": verb == "enable"}, None, **told)
        case "delete":
            actions.delete_rule(rule, **told)
        case _:
            raise Http404
    return redirect("alerts", project=project, environment=environment)


def _form(request: HttpRequest, actor: Actor, place: Environment, rule: Rule) -> HttpResponse:
    """The form with what is there, or with what was typed, what is wrong with it, and what it would say now."""
    given = request.POST if request.method == "POST" else None
    asked = _asked(Kind(rule.kind), given) if given is not None else None
    errors: Errors = {}
    tried = None
    if given is not None and asked is not None:
        try:
            if given.get("do") == "try":
                tried = dry.run(place, rule.kind, asked["settings"], asked["name"])
            else:
                _save(actor, place, rule, asked, given)
                messages.success(request, gettext("%(name)s is saved.") % {"name": asked["name"]}, extra_tags="good")
                return redirect("alerts", project=place.project.slug, environment=place.slug)
        except (Problem, ValidationError) as error:
            errors = _errors(error)
    shown = asked or _said(rule)
    context = {
        "title": rule.name if rule.pk else gettext("New rule"),
        "crumbs": CRUMBS,
        "environment": place,
        "rule": rule,
        "kind": Kind(rule.kind),
        "given": shown,
        "fields": [
            (one, shown["settings"].get(one.name), errors.get(one.name)) for one in kinds.KINDS[Kind(rule.kind)]
        ],
        "channels": [(one, one.pk in shown["channels"]) for one in queries.channels(actor, place)[: queries.MOST]],
        "errors": errors,
        "tried": tried,
        "reason": why.of(request.POST),
    }
    return render(request, "alerts/rule.html", context, status=400 if errors else 200)


def _save(actor: Actor, place: Environment, rule: Rule, asked: dict[str, Any], given: QueryDict) -> None:
    told: dict[str, Any] = {"actor": actor, "reason": why.of(given)}
    if rule.pk:
        actions.edit_rule(rule, asked, whole(given.get("version", ""), 9) or 0, **told)
    else:
        actions.create_rule(place, asked | {"kind": rule.kind}, **told)


def _asked(kind: Kind, given: QueryDict) -> dict[str, Any]:
    return {
        "name": given.get("name", "").strip(),
        "settings": {one.name: _typed(one, given.get(one.name, "")) for one in kinds.KINDS[kind]},
        "channels": ids.numbers(given.getlist("channels")),
        "cooldown_minutes": whole(given.get("cooldown_minutes", "").strip(), 8),
    }


def _typed(setting: Setting, text: str) -> Any:
    """What was typed as the value it stands for; as text where it is none, for which the setting has a sentence."""
    if setting.type == "flag":
        return bool(text)
    if setting.type == "text":
        return text
    try:
        return int(text) if setting.type == "whole" else float(text)
    except ValueError:
        return text


def _said(rule: Rule) -> dict[str, Any]:
    channels = [channel.pk for channel in rule.channels.all()] if rule.pk else []
    return {
        "name": rule.name,
        "settings": rule.settings,
        "channels": channels,
        "cooldown_minutes": rule.cooldown_minutes,
    }


def _errors(error: Exception) -> Errors:
    """What is wrong by the last word of its pointer; by an empty one what belongs to no field."""
    problem = of(error)
    found: Errors = {}
    for fault in problem.errors if problem else ():
        found.setdefault(fault["pointer"].rpartition("/")[2].strip("#"), []).append(fault["detail"])
    return found or {"": [problem.detail if problem else str(error)]}
