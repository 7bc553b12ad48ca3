"""The notifications of whoever reads: their page, and the tray of the top bar, which every page fetches by itself."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from z4j_brain.notifications import queries, reading
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor

#: What the tray of the top bar shows.
IN_TRAY = 8


@require_http_methods(["GET", "POST"])
@login_required
def listed(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET tells all of them; POST marks those under `key` as read, or all of them."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    if request.method == "POST":
        reading.read(actor, place, request.POST.getlist("key"))
        if "X-Live" in request.headers:
            return HttpResponse(status=204)
        return redirect("notifications", project=project, environment=environment)
    context = {"title": gettext("Notifications"), "environment": place, "tray": queries.tray(actor, place)}
    return render(request, "notifications/list.html", context)


@require_GET
@login_required
def tray(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    found = queries.tray(actor, place)
    context = {"environment": place, "tray": found, "shown": found.notifications[:IN_TRAY]}
    return render(request, "notifications/tray.html", context)
