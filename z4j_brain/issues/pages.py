"""The pages of issues: all of them, and one with what failed, how often, and who looks after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from z4j_brain.issues import actions, queries, view
from z4j_brain.issues.models import Issue
from z4j_brain.lib import keyset, why
from z4j_brain.lib.problem import Problem
from z4j_brain.lib.words import number
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import telling
from z4j_brain.tasks.verbs import RETRY

#: Rows of a page of the list.
SHOWN = 20
CRUMBS = [{"page": "issues", "title": gettext_lazy("Issues")}]
#: For how long an issue can be put off.
PUT_OFF = {"day": timedelta(days=1), "week": timedelta(days=7)}


def chosen(actor: Actor, place: Environment) -> UUID | None:
    """Who looks after some of the issues here has counts of their own in the list."""
    owns = queries.issues(actor, place).filter(queries.owned(actor)).exists()
    return actor.user.pk if owns and actor.user else None


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    asked, now = view.View.of(request.GET), timezone.now()
    here = asked.within(queries.issues(actor, place), now)
    page = keyset.page(asked.narrowed(here, actor), request.GET.get("cursor"), SHOWN, order="-last_at")
    counts, release = queries.counted(here, actor), queries.release(place.pk)
    found = view.rows(page.results, queries.trends(page.results, now), release)
    context = {
        "title": gettext("Issues"),
        "environment": place,
        "page": page,
        "rows": found,
        "view": asked,
        "tabs": list(asked.tabs(counts)),
        "counts": counts,
        "release": release,
        "fresh": queries.since_release(actor, place, release),
        "known": any(counts.values()) or asked.is_narrowed,
        "narrowed": not rbac.sees_everything(actor, place),
        "may": Permission.RETRY in access.permissions(actor, place),
        "retry": RETRY,
    }
    return render(request, "issues/list.html", context)


@require_GET
@never_cache
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    issue = queries.detail(actor, place, id)
    [row] = view.rows([issue], queries.trends([issue], timezone.now()), queries.release(place.pk))
    task = queries.sample(actor, issue)
    may = Permission.RETRY in access.permissions(actor, place)
    context = {
        "title": row.title,
        "crumbs": CRUMBS,
        "environment": place,
        "issue": issue,
        "row": row,
        "task": task,
        "may": may,
        "people": queries.people(place) if may else [],
        "retry": RETRY,
    }
    if task is not None:
        context |= telling.values(actor, request.session, task)
    return render(request, "issues/detail.html", context)


@require_POST
@login_required
def say(request: HttpRequest, project: str, environment: str, id: str, verb: str) -> HttpResponse:
    """Do what a button of a page says, and go back to that page."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    issue = queries.detail(actor, place, id)
    if verb not in _VERBS:
        raise Http404
    try:
        told = _VERBS[verb](request, issue, actor)
    except Problem as problem:
        wrong = [fault["detail"] for fault in problem.errors] or [problem.detail]
        messages.warning(request, " ".join(wrong))
    else:
        messages.success(request, told, extra_tags="good")
    if "list" in request.POST:
        return redirect("issues", project=project, environment=environment)
    return redirect("issue", project=project, environment=environment, id=issue.fingerprint)


def _take(request: HttpRequest, issue: Issue, actor: Actor) -> str:
    actions.assign(issue, actor.user, actor=actor)
    return gettext("It is yours now.")


def _assign(request: HttpRequest, issue: Issue, actor: Actor) -> str:
    name = request.POST.get("assignee", "")
    actions.assign(issue, queries.person(name), actor=actor, reason=why.of(request.POST))
    if name:
        return gettext("%(name)s looks after it now.") % {"name": name}
    return gettext("Nobody looks after it now.")


def _resolve(request: HttpRequest, issue: Issue, actor: Actor) -> str:
    done = actions.resolve(issue, actor=actor, reason=why.of(request.POST))
    if done.resolved_code:
        text = gettext("Resolved in %(code)s. A failure after this opens it again.")
        return text % {"code": done.resolved_code}
    return gettext("Resolved. A failure after this opens it again.")


def _snooze(request: HttpRequest, issue: Issue, actor: Actor) -> str:
    length = PUT_OFF.get(request.POST.get("for", ""))
    until = timezone.now() + length if length else None
    done = actions.snooze(issue, until, actor=actor, reason=why.of(request.POST))
    if done.snoozed_to:
        return gettext("Snoozed until %(number)s tasks have failed.") % {"number": number(done.snoozed_to)}
    return gettext("Snoozed.")


def _reopen(request: HttpRequest, issue: Issue, actor: Actor) -> str:
    actions.reopen(issue, actor=actor, reason=why.of(request.POST))
    return gettext("Open again.")


_VERBS: dict[str, Callable[[HttpRequest, Issue, Actor], str]] = {
    "take": _take,
    "assign": _assign,
    "resolve": _resolve,
    "snooze": _snooze,
    "reopen": _reopen,
}
