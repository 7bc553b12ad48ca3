"""The pages of workers and queues: which are there, what they run and hold, and when they were last heard."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries
from z4j_brain.lib import keyset
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor

SHOWN = 100


@require_GET
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    page = keyset.page(queries.workers(actor, place), request.GET.get("cursor"), SHOWN, order="-heartbeat_at")
    online = [worker for worker in page.results if worker.state == Presence.ONLINE]
    groups = [(state, [worker for worker in page.results if worker.state == state]) for state in Presence]
    context = {
        "title": "Workers",
        "environment": place,
        "page": page,
        "groups": [(state, workers) for state, workers in groups if workers],
        "online": len(online),
        "busy": sum(len(worker.running) for worker in online),
        "slots": sum(worker.size for worker in online),
    }
    return render(request, "fleet/workers.html", context)


@require_GET
@login_required
def queues(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    page = keyset.page(queries.queues(actor, place), request.GET.get("cursor"), SHOWN, order="name")
    serving = queries.serving(actor, place, page.results)
    context = {
        "title": "Queues",
        "environment": place,
        "page": page,
        "rows": [(queue, serving[queue.pk]) for queue in page.results],
        "waiting": sum(queue.depth for queue in page.results),
        "dead": sum(queue.dead or 0 for queue in page.results),
    }
    return render(request, "fleet/queues.html", context)
