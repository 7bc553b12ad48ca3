"""The pages of operations: what was asked, how far it has come, and what became of each target."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from z4j_brain.audit import queries as audit
from z4j_brain.lib import keyset, why
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions, approving, inbox, nouns, queries, question, statements, verbs
from z4j_brain.operations.models import Operation
from z4j_brain.operations.options import ORDERS
from z4j_brain.operations.question import Question
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

SHOWN = 40
#: What a dialog about one target has said beforehand: also if it was retried, also if its agent has yet to come back.
ONE = {"again": True, "wait": True}
STEERING: dict[str, Callable[..., Operation]] = {
    "pause": actions.pause,
    "resume": actions.resume,
    "cancel": actions.cancel,
    "undo": actions.undo,
    "approve": actions.approve,
    "reject": actions.reject,
}


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    by_itself = request.GET.get("by") == "z4j"
    page = keyset.page(queries.asked(actor, place, by_itself=by_itself), request.GET.get("cursor"), SHOWN)
    context = {"title": gettext("Operations"), "environment": place, "page": page, "by_itself": by_itself}
    return render(request, "operations/list.html", context)


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    operation = queries.detail(actor, place, id)
    outcome = request.GET.get("outcome", "")
    verb, items = verbs.find(operation.action), queries.items(operation)
    if outcome:
        items = items.filter(outcome=outcome) if outcome in ItemOutcome.values else items.filter(outcome=None)
    context = {
        "title": gettext("Operation %(id)s") % {"id": str(operation.pk)[-8:]},
        "crumbs": [{"page": "operations", "title": gettext("Operations")}],
        "environment": place,
        "operation": operation,
        "shares": queries.shares(operation),
        "verb": verb,
        "headline": nouns.headline(str(verb.label), nouns.counted(operation.total, operation.target_kind))
        if verb
        else operation.headline,
        "would_change": nouns.counted(operation.plan.get("able", 0), operation.target_kind),
        "kind": nouns.noun(operation.target_kind),
        "may_steer": rbac.may(actor, Permission.MANAGE_OPERATIONS, place),
        "unsent": queries.unsent(operation),
        "unsealed": statements.obstacle(operation),
        "told": inbox.outlook(actor, place, operation),
        "followers": list(operation.followers.order_by("-id")[:10]),
        "ran_on": queries.ran_on(operation),
        "left_out": sum(one["count"] for one in operation.plan.get("excluded", ())),
        "agreed": _agreed(operation),
        "failed_again": _failed_again(operation),
        "now": timezone.now(),
        "outcome": outcome,
        "page": keyset.page(items, request.GET.get("cursor"), SHOWN, order="id"),
        "touches": audit.touched(place, "operation", [str(operation.pk)]),
    }
    return render(request, "operations/detail.html", context)


def _agreed(operation: Operation) -> list[tuple[str, str]]:
    """How it is to go about it, in words."""
    options = operation.options
    told = [
        (
            gettext("Pace"),
            gettext("%(rate)s a second") % {"rate": f"{options['rate']:g}"} if options.get("rate") else "",
        ),
        (gettext("Order"), str(ORDERS.get(options.get("order"), ""))),
        (gettext("Stop after"), _failures(options.get("stop_after") or 0)),
        (gettext("Delay"), f"{options['delay']} s" if options.get("delay") else ""),
        (gettext("Again"), gettext("also what was retried already") if options.get("again") else ""),
    ]
    return [(name, value) for name, value in told if value]


def _failures(number: int) -> str:
    return gettext("%(number)s failures") % {"number": number} if number else ""


def _failed_again(operation: Operation) -> str:
    """Where the same is asked for what went wrong."""
    verb = verbs.find(operation.action)
    if not operation.finished_at or not operation.failed or verb is None or verb.kind == "engine":
        return ""
    place = operation.environment
    address = reverse("ask", args=[place.project.slug, place.slug, verb.name])
    return f"{address}?{urlencode({'operation': str(operation.pk), 'outcome': 'failed'})}"


@require_GET
@login_required
def export(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    """What became of each target, as a file."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    operation = queries.detail(actor, place, id)
    sheet = io.StringIO()
    csv.writer(sheet, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(queries.table(operation))
    answer = HttpResponse(sheet.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="operation-{operation.pk}.csv"'
    return answer


@require_http_methods(["GET", "POST"])
@login_required
def ask(request: HttpRequest, project: str, environment: str, action: str) -> HttpResponse:
    """GET says what would happen, POST does it."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    verb = verbs.find(action)
    if verb is None:
        raise Http404
    if not approving.way(place, actor, verb):
        rbac.require(actor, verb.permission, place)
    if request.method == "GET":
        given = request.GET.copy()
        for name in verb.options.secret:  # what was typed as arguments stands in no address
            given.pop(name, None)
        return _asked(request, place, question.ask(place, actor, verb, given))
    given = request.POST.copy()
    one = "at_once" in given and len(given.getlist("target")) == 1
    more = ONE if one else {}
    for name in ("at_once", "look"):
        given.pop(name, None)
    if "look" in request.POST:
        given.pop("preview", None)
        return _asked(request, place, question.ask(place, actor, verb, given))
    asked, operation = question.answer(place, actor, verb, given, more)
    if operation is None and more:  # what a dialog could not settle, the page asks
        given.pop("reason", None)
        errors, reason, asked = asked.errors, asked.reason, question.ask(place, actor, verb, given)
        asked.errors, asked.reason = errors, reason
    if operation is None:
        return _asked(request, place, asked, 400)
    if more and verb.kind in ("task", "schedule"):
        return redirect(verb.kind, project=project, environment=environment, id=int(request.POST["target"]))
    return redirect("operation", project=project, environment=environment, id=operation.pk)


def _asked(request: HttpRequest, place: Environment, asked: Question, status: int = 200) -> HttpResponse:
    crumbs = [{"page": f"{asked.kind.name}s", "title": capfirst(nouns.noun(asked.kind.plural))}]
    known = asked.kind.name in ("task", "queue", "worker", "schedule")
    context = {"title": asked.title, "crumbs": crumbs if known else [], "environment": place, "question": asked}
    return render(request, "operations/ask.html", context, status=status)


@require_POST
@login_required
def steer(request: HttpRequest, project: str, environment: str, id: UUID, verb: str) -> HttpResponse:
    """Pause, resume, cancel, take back, approve or reject an operation, or let it go ahead alone."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    operation = queries.detail(actor, place, id)
    run = STEERING.get(verb)
    if verb == "break-glass":
        run = partial(actions.break_glass, typed=request.POST.get("confirm", ""))
    if run is None:
        raise Http404
    try:
        told = run(operation, actor=actor, reason=why.of(request.POST))
    except Problem as problem:  # it has ended meanwhile, or something is missing: the page says so
        messages.warning(request, " ".join(fault["detail"] for fault in problem.errors) or problem.detail)
        told = operation
    return redirect("operation", project=project, environment=environment, id=told.pk)
