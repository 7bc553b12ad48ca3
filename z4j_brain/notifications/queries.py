"""What a person has to know of an environment now, made of what stands there: so it is as true as the lists are.

An operation of theirs that ended, what waits for their yes, and alerts that began or ended. What somebody may not see
is not told to them, from the moment on that they may not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.alerts import queries as alerts
from z4j_brain.lib.words import duration, number, uncapped
from z4j_brain.notifications.models import Reading
from z4j_brain.operations import inbox
from z4j_brain.operations import queries as operations
from z4j_brain.operations.models import Operation
from z4j_brain.operations.states import TERMINAL, OperationState
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: For how long it is told, how many of each kind at most, and how many together.
KEPT = timedelta(days=7)
EACH, MOST = 20, 30


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to know. `key`: it is read under this name. `own`: the reader asked for it themselves."""

    key: str
    icon: str
    tone: str
    what: str
    why: str
    at: datetime
    page: str
    id: object = None
    own: bool = False
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class Tray:
    notifications: tuple[Notification, ...]

    @property
    def unread(self) -> int:
        return sum(not one.is_read for one in self.notifications)


def tray(actor: Actor, environment: Environment) -> Tray:
    """The newest first, each with whether the reader has read it."""
    now = timezone.now()
    there = [*_approvals(actor, environment), *_operations(actor, environment, now), *_alerts(actor, environment, now)]
    there.sort(key=lambda one: one.at, reverse=True)
    read = Reading.objects.filter(environment=environment, user=actor.user).first()
    until = max(moment for moment in (now - KEPT, read and read.until, actor.user and actor.user.date_joined) if moment)
    keys = set(read.keys) if read else set()
    return Tray(tuple(_marked(one, one.at <= until or one.key in keys) for one in there[:MOST]))


def _marked(one: Notification, is_read: bool) -> Notification:
    return Notification(one.key, one.icon, one.tone, one.what, one.why, one.at, one.page, one.id, one.own, is_read)


def _operations(actor: Actor, environment: Environment, now: datetime) -> Iterator[Notification]:
    """Those of the reader that ended. One that began long before, and ended only now, is found in its list."""
    mine = operations.asked(actor, environment).filter(actor_type=actor.type, actor_id=actor.id, state__in=TERMINAL)
    for operation in mine.filter(pk__gte=_first(now - KEPT)).order_by("-id")[:EACH]:
        state, at = OperationState(operation.state), operation.finished_at or operation.created_at
        what = f"{operation.headline}: {uncapped(state.label)}"
        tone = "ok-i" if state == OperationState.SUCCEEDED else "failed-i"
        icon = "circle-check" if state == OperationState.SUCCEEDED else "triangle-alert"
        key = f"operation-{operation.pk}"
        yield Notification(key, icon, tone, what, _counts(operation), at, "operation", operation.pk, own=True)


def _counts(operation: Operation) -> str:
    """`9 done, 3 not done, 1 not tried`."""
    told = (
        (operation.succeeded, gettext("%(n)s done")),
        (operation.failed, gettext("%(n)s not done")),
        (operation.not_tried, gettext("%(n)s not tried")),
    )
    return ", ".join(said % {"n": number(count)} for count, said in told if count) or gettext("Nothing was done.")


def _approvals(actor: Actor, environment: Environment) -> Iterator[Notification]:
    for wish in inbox.waiting(actor, environment)[:EACH]:
        what = inbox.asks(wish)
        expires = gettext("Expires at %(time)s UTC.") % {"time": f"{wish.expires_at:%H:%M}"}
        why = f"{expires} {wish.reason}".strip()
        yield Notification(
            f"approval-{wish.pk}", "check-check", "warn-i", what, why, wish.created_at, "approval", wish.pk
        )


def _alerts(actor: Actor, environment: Environment, now: datetime) -> Iterator[Notification]:
    """What goes on, and what is over lately: each once, by how it stands. Rules count what only some may see."""
    if not rbac.sees_everything(actor, environment):
        return
    lately = Q(ended_at=None) | Q(ended_at__gte=now - KEPT)
    for alert in alerts.alerts(actor, environment).filter(lately).order_by("-id")[:EACH]:
        name = f"{alert.rule_name}: {alert.subject}" if alert.subject else alert.rule_name
        if alert.ended_at is None:
            key, at = f"alert-{alert.pk}", alert.started_at
            yield Notification(key, "triangle-alert", "failed-i", name, alert.text, at, "alert-history")
        else:
            lasted = {"time": duration(alert.ended_at - alert.started_at)}
            why = alert.why_ended or gettext("It went on for %(time)s.") % lasted
            name = gettext("%(name)s is over") % {"name": name}
            key, at = f"alert-{alert.pk}-over", alert.ended_at
            yield Notification(key, "circle-check", "ok-i", name, why, at, "alert-history")


def _first(moment: datetime) -> uuid.UUID:
    """The least id that what was made at this moment can have."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
