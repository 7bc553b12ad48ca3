"""The pages of channels: who outside is told, how one is added and changed, and what was sent to them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from z4j_brain.alerts import actions, messengers, queries
from z4j_brain.alerts.models import Channel
from z4j_brain.alerts.pages import CRUMBS, SHOWN, Errors
from z4j_brain.alerts.states import ChannelKind, DeliveryState
from z4j_brain.lib import keyset, why
from z4j_brain.lib.problem import by_field
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

#: For how long the secret before signs as well, as the form says it.
OVERLAPS = {
    "0": gettext_lazy("not at all"),
    "1": gettext_lazy("for an hour"),
    "24": gettext_lazy("for a day"),
    "168": gettext_lazy("for a week"),
}


@never_cache
@sensitive_post_parameters("address")
@require_http_methods(["GET", "POST"])
@login_required
@sensitive_variables("secret")
def shown(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """GET lists; POST adds, and shows the secret of a webhook, this once."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    secret, made = "", None
    errors: Errors = {}
    if request.method == "POST":
        rbac.require(actor, Permission.MANAGE_PROJECT, place)
        made, secret, errors = _add(actor, place, request.POST)
        if made and not secret:
            messages.success(request, gettext("%(name)s is added.") % {"name": made.name}, extra_tags="good")
            return redirect("alert-channels", project=project, environment=environment)
    rows = queries.channels(actor, place).order_by("name")[: queries.MOST]
    page = keyset.page(queries.deliveries(actor, place), request.GET.get("cursor"), SHOWN)
    context: dict[str, Any] = {
        "title": gettext("Channels"),
        "crumbs": CRUMBS,
        "environment": place,
        "channels": [(one, rbac.may(actor, Permission.MANAGE_PROJECT, one)) for one in rows],
        "page": page,
        "sent": [(one, DeliveryState(one.state)) for one in page.results],
        "manages": rbac.may(actor, Permission.MANAGE_PROJECT, place),
        "resends": rbac.may(actor, Permission.MANAGE_OPERATIONS, place),
        "kinds": ChannelKind.choices,
        "given": request.POST if errors else {},
        "errors": errors,
        "made": made,
        "secret": secret,
    }
    return render(request, "alerts/channels.html", context, status=400 if errors else 200)


@never_cache
@sensitive_post_parameters("address")
@require_http_methods(["GET", "POST"])
@login_required
def edit(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """Its name and its address. The address of a service is not shown: an empty field leaves it as it is."""
    actor, place, channel = _managed(request, project, environment, id)
    if request.method == "GET":
        return _page(request, place, channel)
    asked = {"name": request.POST.get("name", "").strip(), "address": request.POST.get("address", "").strip()}
    if channel.kind == ChannelKind.SERVICE and not asked["address"]:
        del asked["address"]
    try:
        if channel.kind == ChannelKind.SERVICE and "address" in asked:
            messengers.recognise(asked["address"])
        actions.edit_channel(channel, asked, actor=actor, reason=why.of(request.POST))
    except ValidationError as error:
        return _page(request, place, channel, errors=by_field(error))
    messages.success(request, gettext("%(name)s is saved.") % {"name": asked["name"]}, extra_tags="good")
    return redirect("alert-channels", project=project, environment=environment)


@never_cache
@require_POST
@login_required
@sensitive_variables("secret")
def rotate(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """Another secret, shown this once."""
    actor, place, channel = _managed(request, project, environment, id)
    hours = request.POST.get("hours", "24")
    try:
        given = int(hours) if hours in OVERLAPS else 24
        secret = actions.rotate_secret(channel, given, actor=actor, reason=why.of(request.POST))
    except ValidationError as error:
        return _page(request, place, channel, errors=by_field(error))
    return _page(request, place, queries.one(queries.channels(actor, place), id), secret=secret)


@require_POST
@login_required
def steer(request: HttpRequest, project: str, environment: str, id: int, verb: str) -> HttpResponse:
    """Send a test to a channel, or tell it nothing more."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    channel, told = queries.one(queries.channels(actor, place), id), {"actor": actor, "reason": why.of(request.POST)}
    match verb:
        case "test":
            actions.test_channel(channel, place, **told)
            text = gettext("A test is on its way to %(name)s.") % {"name": channel.name}
            messages.success(request, text, extra_tags="good")
        case "remove":
            actions.remove_channel(channel, **told)
        case _:
            raise Http404
    return redirect("alert-channels", project=project, environment=environment)


@require_POST
@login_required
def resend(request: HttpRequest, project: str, environment: str, id: int) -> HttpResponse:
    """Send a message once more."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    delivery = queries.one(queries.deliveries(actor, place), id)
    try:
        actions.resend(delivery, actor=actor, reason=why.of(request.POST))
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    return redirect("alert-channels", project=project, environment=environment)


def _add(actor: Actor, place: Environment, given: QueryDict) -> tuple[Channel | None, str, Errors]:
    """What was made, its secret if it has one, and what is wrong by field."""
    where = place.project if given.get("whole_project") else place
    name, address, kind = given.get("name", "").strip(), given.get("address", "").strip(), given.get("kind", "")
    if kind not in ChannelKind.values:
        wrong = gettext("One of %(values)s.") % {"values": ", ".join(ChannelKind.values)}
        return None, "", {"kind": [wrong]}
    try:
        if kind == ChannelKind.SERVICE:
            messengers.recognise(address)
        told: dict[str, Any] = {"actor": actor, "reason": why.of(given)}
        channel, secret = actions.add_channel(where, name, ChannelKind(kind), address, **told)
    except ValidationError as error:
        return None, "", by_field(error)
    return channel, secret, {}


def _managed(request: HttpRequest, project: str, environment: str, id: int) -> tuple[Actor, Environment, Channel]:
    """Who asks, where, and the channel, which is theirs to manage."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment)
    channel = queries.one(queries.channels(actor, place), id)
    rbac.require(actor, Permission.MANAGE_PROJECT, channel)
    return actor, place, channel


def _page(
    request: HttpRequest, place: Environment, channel: Channel, *, secret: str = "", errors: Errors | None = None
) -> HttpResponse:
    named = {"name": channel.name, "address": "" if channel.kind == ChannelKind.SERVICE else channel.address}
    context = {
        "title": channel.name,
        "crumbs": [*CRUMBS, {"page": "alert-channels", "title": gettext("Channels")}],
        "environment": place,
        "channel": channel,
        "given": request.POST if errors else named,
        "errors": errors or {},
        "secret": secret,
        "signs_twice": channel.secret_before_until and channel.secret_before_until > timezone.now(),
        "overlaps": OVERLAPS.items(),
    }
    return render(request, "alerts/channel.html", context, status=400 if errors else 200)
