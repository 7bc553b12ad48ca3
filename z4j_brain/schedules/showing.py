"""The arguments of a schedule, hidden until a reader asks: as those of tasks are, and recorded alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.backends.base import SessionBase
from django.utils.translation import ngettext

from z4j_brain.lib.words import number
from z4j_brain.operations import launch
from z4j_brain.rbac import onshow
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules.models import Schedule

KIND = "schedule"
#: How no arguments are written.
_NONE = ("", "()", "[]", "{}")


@dataclass(frozen=True, slots=True)
class Values:
    """The arguments of one schedule as one reader has them now. `until`: shown till then; None: hidden."""

    permitted: bool
    until: datetime | None
    presenting: bool
    any: bool

    @property
    def shown(self) -> bool:
        return self.until is not None

    @property
    def askable(self) -> bool:
        """Is there something that the reader could see if they asked?"""
        return self.any and self.permitted and not self.shown and not self.presenting


def key(schedule: Schedule) -> str:
    """By what a session knows that it was asked for."""
    return f"{KIND}:{schedule.pk}"


def values(actor: Actor, session: SessionBase, schedule: Schedule) -> Values:
    permitted = rbac.may(actor, Permission.VIEW_PAYLOAD, schedule)
    return Values(
        permitted=permitted,
        until=onshow.until(session, key(schedule)) if permitted else None,
        presenting=onshow.is_presenting(session),
        any=has(schedule.args) or has(schedule.kwargs),
    )


def has(text: str) -> bool:
    return text.strip() not in _NONE


def told(schedule: Schedule, found: Values) -> dict[str, str]:
    """What a page is given of them: where they are not shown, only how long they are."""
    sizes = {f"{name}_size": _size(getattr(schedule, name)) for name in ("args", "kwargs")}
    kept = {name: getattr(schedule, name) if found.shown else "" for name in ("args", "kwargs")}
    schedule.args = schedule.kwargs = ""
    return sizes | kept


def _size(text: str) -> str:
    count = len(text.strip())
    told = ngettext("%(n)s character", "%(n)s characters", count) % {"n": number(count)}
    return told if has(text) else ""


@action(Permission.VIEW_PAYLOAD, "schedule.show")
def show(schedule: Schedule, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Let somebody see the arguments of one schedule: the entry says who looked, and why where that is asked for."""
    launch.demand_reason(schedule.environment, reason)
    record.target(KIND, schedule.pk)
    record.nudge(schedule.environment_id, KIND, [str(schedule.pk)])
