"""The page of dead letters: what engines have given up and keep, by queue and by error. The list is that of tasks."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.tasks.deadletters import dead_letters


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    context = {"title": gettext("Dead letters"), "environment": place, "found": dead_letters(actor, place)}
    return render(request, "panel/dead_letters.html", context)
