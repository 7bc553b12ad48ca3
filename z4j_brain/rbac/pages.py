"""The settings of an environment: how long what is kept, what is stored now, and what a shorter time would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from z4j_brain.lib import linktemplate, why
from z4j_brain.lib.capped import Count
from z4j_brain.lib.digits import whole
from z4j_brain.lib.tongue import inline
from z4j_brain.rbac import actions, queries, retention
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import MOST_DAYS, Environment
from z4j_brain.rbac.states import Permission

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_WORDS = {
    "tasks_days": (
        gettext_lazy("Tasks"),
        gettext_lazy("A task goes when nothing was heard of it for so long, and its events with it."),
    ),
    "events_days": (
        gettext_lazy("Events of tasks"),
        gettext_lazy("The timeline of a task. Without them a task still tells its state and times."),
    ),
    "rollups_days": (
        gettext_lazy("Statistics"),
        gettext_lazy("Throughput, failures and run times. They stay when the tasks they count are gone."),
    ),
    "operations_days": (
        gettext_lazy("Operations"),
        gettext_lazy("Who asked for what, and what became of it. The audit log keeps its own record."),
    ),
}
#: Titles of kinds of rows, as the page says them.
_TITLES = {
    "events": gettext_lazy("Events of tasks"),
    "tasks": gettext_lazy("Tasks"),
    "runs": gettext_lazy("Runs of schedules"),
    "quarantined": gettext_lazy("Events that were set aside"),
    "operations": gettext_lazy("Operations"),
    "rollups_by_queue": gettext_lazy("Statistics by queue"),
    "rollups_by_name": gettext_lazy("Statistics by task name"),
}
_SWITCHES = ("search_arguments", "reason_required")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: StrOrPromise
    help: StrOrPromise
    value: str
    errors: list[str]


@require_http_methods(["GET", "POST"])
@login_required
def settings(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET shows; POST saves, but asks first where something would go for ever."""
    actor = Actor.of(request)
    place = queries.environment(actor, project, environment)
    given = request.POST if request.method == "POST" else None
    errors: dict[str, list[str]] = {}
    going: list[tuple[Count, str]] = []
    if given is not None:
        queries.require(actor, Permission.MANAGE_PROJECT, place)
        asked, errors = _read(place, given)
        going = [] if errors or given.get("agreed") else _going(place, asked)
        if not errors and not going:
            try:
                actions.configure_environment(place, asked, actor=actor, reason=why.of(given))
            except ValidationError as error:
                errors = error.message_dict
            else:
                messages.success(
                    request, gettext("Saved. What is past its days goes within minutes."), extra_tags="good"
                )
                return redirect("settings", project=project, environment=environment)
    switches = {name: bool(given.get(name)) if given is not None else getattr(place, name) for name in _SWITCHES}
    context = {
        "title": gettext("Settings"),
        "environment": place,
        "fields": [_field(name, place, given, errors) for name in retention.DAYS],
        **switches,
        "trace_link": given.get("trace_link", "").strip() if given is not None else place.trace_link,
        "trace_faults": errors.get("trace_link", []),
        "places": linktemplate.PLACES,
        "example": "https://traces.example.com/trace/{trace_id}",
        "reason": given.get("reason", "") if given is not None else "",
        "most_days": MOST_DAYS,
        "going": _listed(going),
        "stock": [(one, _title(one.kind)) for one in retention.stock(place)],
        "manages": queries.may(actor, Permission.MANAGE_PROJECT, place),
    }
    return render(request, "rbac/settings.html", context, status=400 if errors else 200)


def _title(kind: retention.Kind) -> StrOrPromise:
    return _TITLES.get(kind.name, kind.title)


def _listed(going: list[tuple[Count, str]]) -> str:
    """`1,204 tasks and 96 events of tasks`."""
    told = [format_html('<span class="num">{}</span> {}', count, title) for count, title in going]
    some = format_html_join(", ", "{}", ((one,) for one in told[:-1]))
    both = gettext("%(some)s and %(last)s") % {"some": "{}", "last": "{}"}
    return format_html(both, some, told[-1]) if len(told) > 1 else "".join(told)


def _field(name: str, place: Environment, given: Any, errors: dict[str, list[str]]) -> Field:
    value = given.get(name, "") if given is not None else getattr(place, name)
    return Field(name, *_WORDS[name], str(value), errors.get(name, []))


def _read(place: Environment, given: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The settings as they were typed, and what is wrong with them by name."""
    asked: dict[str, Any] = {name: bool(given.get(name)) for name in _SWITCHES}
    asked["trace_link"] = given.get("trace_link", "").strip()
    errors = {}
    for name in retention.DAYS:
        days = whole(given.get(name, "").strip(), 6)
        if days is not None:
            asked[name] = days
        else:
            errors[name] = [gettext("A whole number of days, from 1 to %(most)s.") % {"most": MOST_DAYS}]
    return asked, errors or _faults(place, asked)


def _faults(place: Environment, asked: dict[str, Any]) -> dict[str, list[str]]:
    wished = Environment(project=place.project, slug=place.slug, name=place.name, kind=place.kind, **asked)
    try:
        wished.clean_fields(exclude=["project"])
        wished.clean()
    except ValidationError as error:
        return error.message_dict
    return {}


def _going(place: Environment, asked: dict[str, Any]) -> list[tuple[Count, str]]:
    """What a shorter time would cost; nothing where no time becomes shorter."""
    shorter = {name for name in retention.DAYS if asked[name] < getattr(place, name)}
    counts = retention.due(place, {name: asked[name] for name in retention.DAYS}) if shorter else {}
    kinds = [retention.KINDS[name] for name in counts]
    return [(counts[kind.name], inline(_title(kind))) for kind in kinds if kind.days in shorter]
