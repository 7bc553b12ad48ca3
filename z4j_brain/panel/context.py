"""What the shell of every page needs: the navigation and the environments to switch to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from z4j_brain.panel import shared
from z4j_brain.rbac import access, onshow
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: the name of its address, and the key that follows `g`."""

    page: str
    title: StrOrPromise
    icon: str
    key: str


@dataclass(frozen=True, slots=True)
class Group:
    title: StrOrPromise
    places: tuple[Place, ...]


NAVIGATION = (
    Group(
        gettext_lazy("Observe"),
        (
            Place("overview", gettext_lazy("Overview"), "layout-dashboard", "v"),
            Place("tasks", gettext_lazy("Tasks"), "list-checks", "t"),
            Place("issues", gettext_lazy("Issues"), "bug", "i"),
            Place("statistics", gettext_lazy("Statistics"), "chart-column", "n"),
            Place("queues", gettext_lazy("Queues"), "layers", "q"),
            Place("workers", gettext_lazy("Workers"), "cpu", "w"),
            Place("dead-letters", gettext_lazy("Dead letters"), "dead-letter", "l"),
        ),
    ),
    Group(
        gettext_lazy("Operate"),
        (
            Place("schedules", gettext_lazy("Schedules"), "calendar-clock", "h"),
            Place("alerts", gettext_lazy("Alerts"), "triangle-alert", "r"),
            Place("operations", gettext_lazy("Operations"), "zap", "o"),
            Place("approvals", gettext_lazy("Approvals"), "check-check", "y"),
            Place("capabilities", gettext_lazy("Capabilities"), "sliders-horizontal", "p"),
            Place("doctor", gettext_lazy("Doctor"), "stethoscope", "d"),
        ),
    ),
    Group(
        gettext_lazy("Govern"),
        (
            Place("audit", gettext_lazy("Audit"), "scroll-text", "u"),
            Place("agents", gettext_lazy("Agents and keys"), "key-round", "a"),
            Place("secrets", gettext_lazy("Secrets"), "eye-off", "e"),
            Place("members", gettext_lazy("Members"), "users", "m"),
            Place("settings", gettext_lazy("Settings"), "settings", "s"),
        ),
    ),
)

#: Pages that stand below another one in the navigation.
PARENTS = {"task": "tasks", "operation": "operations", "queue": "queues", "worker": "workers", "ask": "operations"}
PARENTS |= {"schedule": "schedules", "schedule-timeline": "schedules", "schedule-show": "schedules"}
PARENTS |= {"schedule-new": "schedules", "schedule-edit": "schedules", "schedule-import": "schedules"}
PARENTS |= {"issue": "issues"}
PARENTS |= {"approval": "approvals", "guards": "settings"}
PARENTS |= {"secrets-try": "secrets", "secret-rule": "secrets"}
PARENTS |= {"entry": "audit", "log": "audit", "log-entry": "audit", "outlets": "audit"}
PARENTS |= dict.fromkeys(("alert-new", "alert-rule", "alert-history", "alert-channels", "alert-channel"), "alerts")
PARENTS |= dict.fromkeys(("alert-channel-rotate", "alert-windows", "alert-window-new", "alert-window"), "alerts")


def shell(request: HttpRequest) -> dict[str, object]:
    match = request.resolver_match
    page = match.url_name or "" if match else ""
    user = getattr(request, "user", None)
    context: dict[str, object] = {
        "nav": NAVIGATION,
        "current": {page, PARENTS.get(page, page)},
        "source_url": settings.Z4J_SOURCE_URL or reverse("source"),
        "environments": [],
        "presenting": False,
        "live": shared.LIVE in request.headers,
        "shared": shared.is_shared(request),
    }
    if user is not None and user.is_authenticated:
        context["presenting"] = onshow.is_presenting(request.session)
    if match and user is not None and user.is_authenticated:
        context["environments"] = SimpleLazyObject(lambda: _environments(request))
    return context


def _environments(request: HttpRequest) -> list[Environment]:
    return list(access.environments(Actor.of(request)))
