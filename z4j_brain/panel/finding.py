"""What the palette finds besides tasks: by name or id, as much of each as it has room for, and what one may do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.fleet import queries as fleet
from z4j_brain.issues import queries as issues
from z4j_brain.issues import view as issue_words
from z4j_brain.lib import nouns
from z4j_brain.lib.words import number, uncapped
from z4j_brain.operations import queries as operations
from z4j_brain.operations.states import OperationState
from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import view as schedules

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: What is shown of each kind; operations of which the end of the id is looked at, the newest.
EACH, RECENT = 4, 500
#: Lists show the end of an operation's id.
_TAIL = re.compile(r"[0-9a-f]{4,12}", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing by this name, and where it is."""

    icon: str
    title: str
    hint: str
    page: str
    id: object


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do, for whoever may."""

    page: str
    query: str
    title: StrOrPromise
    icon: str
    hint: StrOrPromise
    permission: Permission


DEEDS = (
    Deed(
        "tasks",
        "state=failed",
        gettext_lazy("Retry failed tasks"),
        "rotate-cw",
        gettext_lazy("choose, then a preview"),
        Permission.RETRY,
    ),
    Deed(
        "registered", "", gettext_lazy("Run a task"), "play", gettext_lazy("with arguments of your own"), Permission.RUN
    ),
    Deed(
        "queues",
        "",
        gettext_lazy("Pause a queue"),
        "circle-pause",
        gettext_lazy("asks for a reason"),
        Permission.MANAGE_QUEUES,
    ),
    Deed(
        "schedule-new",
        "",
        gettext_lazy("New schedule"),
        "calendar-clock",
        gettext_lazy("kept by z4j"),
        Permission.EDIT_SCHEDULES,
    ),
    Deed(
        "alert-new",
        "",
        gettext_lazy("New alert rule"),
        "triangle-alert",
        gettext_lazy("with a dry run"),
        Permission.MANAGE_PROJECT,
    ),
    Deed(
        "doctor", "", gettext_lazy("Run the doctor"), "stethoscope", gettext_lazy("checks every hop"), Permission.VIEW
    ),
    Deed(
        "members", "", gettext_lazy("Invite a member"), "users", gettext_lazy("with a role"), Permission.MANAGE_MEMBERS
    ),
    Deed(
        "audit",
        "",
        gettext_lazy("See who did what"),
        "scroll-text",
        gettext_lazy("the audit log"),
        Permission.VIEW,
    ),
)


def deeds(actor: Actor, place: Environment) -> list[Deed]:
    held = access.permissions(actor, place)
    return [deed for deed in DEEDS if deed.permission in held]


def found(actor: Actor, place: Environment, text: str) -> list[tuple[str, list[Found]]]:
    """By kind, what has this text in its name, or for its id; nothing of a kind of which there is nothing."""
    text = text.replace("\0", "").strip()[:255]
    if not text:
        return []
    kinds = (
        (gettext("Operations"), _operations(actor, place, text)),
        (gettext("Queues"), _queues(actor, place, text)),
        (gettext("Workers"), _workers(actor, place, text)),
        (gettext("Schedules"), _schedules(actor, place, text)),
        (gettext("Issues"), _issues(actor, place, text)),
    )
    return [(title, rows) for title, some in kinds if (rows := list(some))]


def _operations(actor: Actor, place: Environment, text: str) -> Iterator[Found]:
    here = operations.operations(actor, place)
    for operation in here.filter(pk__in=_ids(actor, place, text)).order_by("-id")[:EACH]:
        state = uncapped(OperationState(operation.state).label)
        yield Found("zap", operation.headline, state, "operation", operation.pk)


def _ids(actor: Actor, place: Environment, text: str) -> list[uuid.UUID]:
    """The id itself, or those of recent operations that end with it."""
    if _TAIL.fullmatch(text):
        ids = operations.operations(actor, place).order_by("-id").values_list("pk", flat=True)[:RECENT]
        return [pk for pk in ids if str(pk).endswith(text.lower())][:EACH]
    try:
        return [uuid.UUID(text)]
    except ValueError:
        return []


def _queues(actor: Actor, place: Environment, text: str) -> Iterator[Found]:
    for queue in fleet.queues(actor, place).filter(name__icontains=text).order_by("-depth", "name")[:EACH]:
        yield Found("layers", queue.name, gettext("%(n)s waiting") % {"n": number(queue.depth)}, "queue", queue.pk)


def _workers(actor: Actor, place: Environment, text: str) -> Iterator[Found]:
    for worker in fleet.workers(actor, place).filter(name__icontains=text).order_by("-heartbeat_at")[:EACH]:
        yield Found("cpu", worker.name, uncapped(worker.state.label), "worker", worker.pk)


def _schedules(actor: Actor, place: Environment, text: str) -> Iterator[Found]:
    named = Q(key__icontains=text) | Q(task__icontains=text)
    for schedule in schedules.schedules(actor, place).filter(named, gone_at=None).order_by("key")[:EACH]:
        yield Found("calendar-clock", schedule.key, schedule.source, "schedule", schedule.pk)


def _issues(actor: Actor, place: Environment, text: str) -> Iterator[Found]:
    named = Q(error_type__icontains=text) | Q(name__icontains=text)
    for issue in issues.issues(actor, place).filter(named).order_by("-last_at")[:EACH]:
        title = gettext("%(error)s in %(name)s") % {
            "error": issue_words.title(issue),
            "name": issue.name or gettext("unnamed tasks"),
        }
        yield Found("bug", title, nouns.tasks(issue.count), "issue", issue.fingerprint)
