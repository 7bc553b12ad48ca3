"""The page of what leaves the log: anchors and streams. For who administers the instance."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from z4j_brain.audit import actions, anchors, pages, queries, streams
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.states import AnchorKind, StreamKind
from z4j_brain.lib import why
from z4j_brain.lib.problem import by_field
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import InstancePermission

Errors = dict[str, list[str]]
STEERING = {"pause": actions.pause_stream, "resume": actions.resume_stream, "remove": actions.remove_stream}


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
@sensitive_variables("secret")
def shown(request: HttpRequest) -> HttpResponse:
    """GET lists; POST adds, and shows the secret of a webhook, this once."""
    actor = Actor.of(request)
    rbac.require(actor, InstancePermission.MANAGE_INSTANCE, INSTANCE)
    what = request.POST.get("what", "")
    made, secret, errors = _add(actor, what, request.POST) if what else ("", "", {})
    if made and not secret:
        messages.success(request, gettext("%(name)s is added.") % {"name": made}, extra_tags="good")
        return redirect("outlets")
    given = request.POST if errors else {}
    place = pages.place_of(request, actor)
    if place is None:
        return render(request, "panel/nowhere.html", {"title": gettext("Nothing to see yet")})
    context = {
        "title": gettext("Anchors and streams"),
        "crumbs": [{"page": "audit", "title": gettext("Audit")}],
        "environment": place,
        "held": anchors.held(),
        "flows": streams.flows(),
        "made": made,
        "secret": secret,
    }
    for kind in ("anchor", "stream"):
        mine = what == kind
        context |= {f"{kind}_errors": errors if mine else {}, f"{kind}_given": given if mine else {}}
    return render(request, "audit/outlets.html", context, status=400 if errors else 200)


@require_POST
@login_required
def remove_anchor(request: HttpRequest, id: int) -> HttpResponse:
    anchor = queries.outlet(Actor.of(request), Anchor, id)
    try:
        actions.remove_anchor(anchor, actor=Actor.of(request))
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    return redirect("outlets")


@require_POST
@login_required
def steer(request: HttpRequest, id: int, verb: str) -> HttpResponse:
    """Pause, resume or remove a stream."""
    stream = queries.outlet(Actor.of(request), Stream, id)
    if verb not in STEERING:
        raise Http404
    STEERING[verb](stream, actor=Actor.of(request))
    return redirect("outlets")


def _add(actor: Actor, what: str, given: QueryDict) -> tuple[str, str, Errors]:
    """The name of what was made, its secret if it has one, and what is wrong by field."""
    told: dict[str, Any] = {"actor": actor, "reason": why.of(given)}
    name, address = given.get("name", "").strip(), given.get("address", "").strip()
    try:
        if what == "anchor":
            anchor, secret = actions.add_anchor(INSTANCE, name, _kind(AnchorKind, given), address, **told)
            return anchor.name, secret, {}
        told |= {switch: bool(given.get(switch)) for switch in ("personal", "whole")}
        stream, secret = actions.add_stream(INSTANCE, name, _kind(StreamKind, given), address, **told)
        return stream.name, secret, {}
    except ValidationError as error:
        faults = by_field(error)
        general = [text for field, texts in faults.items() if field not in ("name", "address") for text in texts]
        return "", "", faults | ({"general": general} if general else {})


def _kind(kinds: Any, given: QueryDict) -> Any:
    if given.get("kind") not in kinds.values:
        text = gettext("Unknown kind: one of %(kinds)s.") % {"kinds": ", ".join(kinds.values)}
        raise ValidationError({"kind": text})
    return kinds(given["kind"])
