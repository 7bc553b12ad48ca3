"""The page that puts one run of a task beside another: the last good one, or any that is named."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from z4j_brain.lib import why
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import onshow
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import actions, comparing, masking, queries
from z4j_brain.tasks.models import Task

#: What an id may be long.
LONGEST = 255
_UNKNOWN = gettext_lazy(
    "No run here has this id. It is the engine's own id, or the number in the address of a task's page."
)
_ITSELF = gettext_lazy("This is the run that is on the page already. Name another one.")


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """GET compares; POST records that the values of both are to be shown, and shows them for a while."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    task = queries.detail(actor, place, id)
    wanted = request.GET.get("with", "").strip().replace("\0", "")[:LONGEST]
    other, looked, fault = _other(actor, place, task, wanted)
    wrong: list[str] = []
    if request.method == "POST" and other is not None and not onshow.is_presenting(request.session):
        wrong = _show(request, actor, [task, other])
        if not wrong:
            here = reverse("task-compare", kwargs={"project": project, "environment": environment, "id": id})
            return redirect(f"{here}?{urlencode({'with': wanted})}" if wanted else here)
    context = {
        "title": gettext("Compare two runs"),
        "crumbs": [{"page": "tasks", "title": gettext("Tasks")}],
        "environment": place,
        "task": task,
        "wanted": wanted,
        "faults": [fault] if fault else [],
        "looked": looked,
        "wrong": wrong,
    } | (_told(request, actor, task, other) if other is not None else {})
    return render(request, "tasks/compare.html", context, status=400 if fault or wrong else 200)


def _other(actor: Actor, place: Environment, task: Task, wanted: str) -> tuple[Task | None, int, str]:
    """The run to compare with, among how many there was no good one, and what is wrong with the id that was named."""
    if not wanted:
        found, looked = comparing.last_good(actor, task)
        return found, looked, ""
    found = comparing.chosen(actor, place, wanted)
    if found is None:
        return None, 0, str(_UNKNOWN)
    return (None, 0, str(_ITSELF)) if found.pk == task.pk else (found, 0, "")


def _show(request: HttpRequest, actor: Actor, tasks: list[Task]) -> list[str]:
    """Record that somebody looks at both; what is wrong with the reason."""
    for task in tasks:
        try:
            actions.show(task, actor=actor, reason=why.of(request.POST))
        except Problem as problem:
            return [fault["detail"] for fault in problem.errors] or [problem.detail]
        onshow.show(request.session, task.pk)
    return []


def _told(request: HttpRequest, actor: Actor, task: Task, other: Task) -> dict[str, Any]:
    both = [masking.values(actor, request.session, one) for one in (task, other)]
    is_shown = all(one.shown for one in both)
    return {
        "other": other,
        "values_shown": is_shown,
        "until": min(one.until for one in both if one.until) if is_shown else None,
        "askable": any(one.askable for one in both) and all(one.permitted for one in both),
        "values": both[0],
        "found": comparing.compared(actor, task, other, shown=is_shown),
    }
