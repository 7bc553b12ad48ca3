"""What the shell of every page needs: the navigation and the environments to switch to."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from z4j_brain.panel import shared
from z4j_brain.rbac import access, onshow
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: the name of its address, and the key that follows `g`."""

    page: str
    title: str
    icon: str
    key: str


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    places: tuple[Place, ...]


NAVIGATION = (
    Group(
        "Observe",
        (
            Place("overview", "Overview", "layout-dashboard", "v"),
            Place("tasks", "Tasks", "list-checks", "t"),
            Place("issues", "Issues", "bug", "i"),
            Place("statistics", "Statistics", "chart-column", "n"),
            Place("queues", "Queues", "layers", "q"),
            Place("workers", "Workers", "cpu", "w"),
            Place("dead-letters", "Dead letters", "dead-letter", "l"),
        ),
    ),
    Group(
        "Operate",
        (
            Place("schedules", "Schedules", "calendar-clock", "h"),
            Place("alerts", "Alerts", "triangle-alert", "r"),
            Place("operations", "Operations", "zap", "o"),
            Place("approvals", "Approvals", "check-check", "y"),
            Place("capabilities", "Capabilities", "sliders-horizontal", "p"),
            Place("doctor", "Doctor", "stethoscope", "d"),
        ),
    ),
    Group(
        "Govern",
        (
            Place("audit", "Audit", "scroll-text", "u"),
            Place("agents", "Agents and keys", "key-round", "a"),
            Place("secrets", "Secrets", "eye-off", "e"),
            Place("members", "Members", "users", "m"),
            Place("settings", "Settings", "settings", "s"),
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
