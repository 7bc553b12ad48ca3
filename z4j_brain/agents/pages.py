"""The page of agents: those of an environment, and their keys."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from z4j_brain.agents import actions, queries
from z4j_brain.lib import keyset, why
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission

SHOWN = 50


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    context = {
        "title": gettext("Agents and keys"),
        "environment": place,
        "page": keyset.page(queries.agents(actor, place), request.GET.get("cursor"), SHOWN, order="-seen_at"),
        "keys": queries.keys(actor, place).order_by("-created_at")[:SHOWN],
        "manages": rbac.may(actor, Permission.MANAGE_AGENTS, place),
    }
    return render(request, "agents/list.html", context)


@require_POST
@login_required
def revoke(request: HttpRequest, project: str, environment: str, id: UUID) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    key = queries.keys(actor, place).filter(pk=id).first()
    if key is None:
        raise Http404
    actions.revoke_key(key, actor=actor, reason=why.of(request.POST))
    said = gettext("%(name)s is revoked. Its agents are refused within 5 s.") % {"name": key.name}
    messages.success(request, said, extra_tags="good")
    return redirect("agents", project=project, environment=environment)
