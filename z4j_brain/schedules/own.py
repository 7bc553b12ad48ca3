"""Schedules of z4j's own: what people make and change. Who sends their tasks when they are due is `dispatch`.

To enable, disable, run and delete them is asked for like the same of any other schedule: see `actions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib import timing
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.lib.words import number
from z4j_brain.operations import launch
from z4j_brain.rbac import access
from z4j_brain.rbac.action import Record, Refused, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import firing, given
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN, Definition

KIND = "schedule"
#: Schedules of our own in one environment.
MOST = 10_000


@action(Permission.EDIT_SCHEDULES, "own_schedule.create")
def create(
    environment: Environment, told: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> Schedule:
    """Make a schedule that z4j itself keeps. It is first due at its first time after now."""
    launch.demand_reason(environment, reason)
    schedule = given.read(Schedule(environment=environment, source=OWN, definition=Definition.STORE), told)
    _demand(actor, schedule)
    if Schedule.objects.filter(environment=environment, source=OWN).count() >= MOST:
        detail = gettext("There are %(most)s here already, which is the most.") % {"most": number(MOST)}
        raise Problem(409, "too_many", gettext("Too many schedules"), detail)
    schedule.created_by = actor.name[:255]
    schedule.next_at = _next(schedule, timezone.now())
    try:
        with transaction.atomic():
            schedule.save(force_insert=True)
    except IntegrityError:
        raise _there_already(schedule) from None
    _tell(schedule, None, told, record)
    return schedule


@action(Permission.EDIT_SCHEDULES, "own_schedule.edit")
def edit(
    schedule: Schedule,
    told: Mapping[str, Any],
    version: int | None = None,
    *,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> Schedule:
    """Change what is told and leave the rest. `version`: as whoever asks has seen it; with another one nothing is done.

    A new plan counts from now on. What was due before has been fired or not, as the old one had it.
    """
    launch.demand_reason(schedule.environment, reason)
    rows = Schedule.objects.select_for_update(of=("self",)).select_related("environment__project")
    here = rows.filter(pk=schedule.pk, source=OWN).first()
    if here is None:
        raise Http404(gettext("There is no such schedule here."))
    if version is not None and version != here.version:
        detail = gettext("Somebody has changed it since you looked: you saw version %(seen)s, it is at %(now)s.")
        detail %= {"seen": version, "now": here.version}
        raise Problem(412, "version_mismatch", gettext("Changed meanwhile"), detail)
    before = Schedule.objects.get(pk=here.pk)
    given.read(here, told)
    _demand(actor, here)
    if firing.plan(here) != firing.plan(before):
        here.plan_from = here.counts_from = timezone.now()
        here.next_at = _next(here, here.plan_from) if here.enabled else None
    here.version = before.version + 1
    try:
        with transaction.atomic():
            here.save()
    except IntegrityError:
        raise _there_already(here) from None
    _tell(here, before, told, record)
    return here


def _there_already(schedule: Schedule) -> Problem:
    detail = gettext("There is a schedule %(name)s already.") % {"name": schedule.key}
    return invalid([Fault(pointer="#/key", detail=detail)])


def _demand(actor: Actor, schedule: Schedule) -> None:
    """It takes more than to change schedules here: this one, and to run its task, from its queue and by its name."""
    for permission in (Permission.EDIT_SCHEDULES, Permission.RUN):
        decision = access.decide(actor, permission, schedule)
        if not decision.allow:
            raise Refused(decision)


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    """None for one that is made disabled. What is enabled is due at some time, or a mistake."""
    if not schedule.enabled:
        return None
    found = timing.next_after(firing.plan(schedule), now)
    if found is None:
        raise invalid([Fault(pointer="#/at", detail=gettext("That time has passed."))])
    return found


def _tell(schedule: Schedule, before: Schedule | None, told: Mapping[str, Any], record: Record) -> None:
    record.target(KIND, schedule.pk)
    record.params({"key": schedule.key, "version": schedule.version, "fields": sorted(told)})
    record.diff(before, schedule)
    record.nudge(schedule.environment_id, KIND, [str(schedule.pk)])
