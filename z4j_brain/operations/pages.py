"""The pages of operations: what was asked, how far it has come, and what became of each target."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from z4j_brain.audit import queries as audit
from z4j_brain.lib import keyset
from z4j_brain.operations import queries
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor

SHOWN = 50


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    page = keyset.page(queries.operations(actor, place), request.GET.get("cursor"), SHOWN)
    context = {"title": "Operations", "environment": place, "page": page}
    return render(request, "operations/list.html", context)


@require_GET
@login_required
def shown(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    operation = queries.detail(actor, place, id)
    outcome = request.GET.get("outcome", "")
    items = queries.items(operation)
    if outcome:
        items = items.filter(outcome=outcome) if outcome in ItemOutcome.values else items.filter(outcome=None)
    context = {
        "title": f"Operation {str(operation.pk)[-8:]}",
        "crumbs": [{"page": "operations", "title": "Operations"}],
        "environment": place,
        "operation": operation,
        "shares": queries.shares(operation),
        "outcome": outcome,
        "page": keyset.page(items, request.GET.get("cursor"), SHOWN, order="id"),
        "touches": audit.touched(place, "operation", [str(operation.pk)]),
    }
    return render(request, "operations/detail.html", context)
