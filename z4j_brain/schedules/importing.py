"""A crontab becomes schedules of z4j's own: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
from z4j_brain.schedules import crontab, firing, given, own
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN, Definition
from z4j_brain.schedules.verbs import KIND


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What a crontab says: schedules that are not stored yet, what is wrong with lines, what is passed over."""

    schedules: list[Schedule]
    faults: list[Fault]
    notices: list[str]


def look(environment: Environment, text: str, usual: Mapping[str, Any]) -> TakenIn:
    """What would come of it. Nothing changes."""
    lines, notices = crontab.read(text, usual)
    if len(lines) > crontab.MOST:
        raise invalid(
            [
                Fault(
                    pointer="#/text",
                    detail=gettext("At most %(most)s schedules at a time.") % {"most": number(crontab.MOST)},
                )
            ]
        )
    keys = [str(line.told.get("key", "")) for line in lines]
    here = Schedule.objects.filter(environment=environment, source=OWN, key__in=keys)
    taken, found, faults = set(here.values_list("key", flat=True)), [], []
    for line in lines:
        pointer = f"#/text/{line.number}"
        if line.wrong:
            faults.append(Fault(pointer=pointer, detail=line.wrong))
            continue
        try:
            made = given.read(Schedule(environment=environment, source=OWN, definition=Definition.STORE), line.told)
        except Problem as problem:
            faults += [
                Fault(pointer=pointer, detail=f"{fault['pointer'].removeprefix('#/')}: {fault['detail']}")
                for fault in problem.errors
            ]
            continue
        if made.key in taken:
            there = gettext("There is a schedule %(name)s already.") % {"name": made.key}
            faults.append(Fault(pointer=pointer, detail=there))
        taken.add(made.key)
        found.append(made)
    return TakenIn(found, faults, notices)


@action(Permission.EDIT_SCHEDULES, "own_schedule.import")
def take_in(
    environment: Environment,
    text: str,
    usual: Mapping[str, Any],
    *,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> TakenIn:
    """Make each schedule of a crontab one that z4j itself keeps. With anything wrong in it, none."""
    launch.demand_reason(environment, reason)
    found, now = look(environment, text, usual), timezone.now()
    if not found.schedules and not found.faults:
        raise invalid([Fault(pointer="#/text", detail=gettext("There is no schedule in it."))])
    if found.faults:
        raise invalid(found.faults)
    if Schedule.objects.filter(environment=environment, source=OWN).count() + len(found.schedules) > own.MOST:
        most = gettext("At most %(most)s of z4j's own in one environment.") % {"most": number(own.MOST)}
        raise Problem(409, "too_many", gettext("Too many schedules"), most)
    for one in found.schedules:
        for permission in (Permission.EDIT_SCHEDULES, Permission.RUN):
            decision = access.decide(actor, permission, one)
            if not decision.allow:
                raise Refused(decision)
        one.created_by = actor.name[:255]
        one.next_at = timing.next_after(firing.plan(one), now) if one.enabled else None
        one.save(force_insert=True)
    record.target("environment", environment.pk)
    record.params({"keys": [one.key for one in found.schedules]})
    record.nudge(environment.pk, KIND, [str(one.pk) for one in found.schedules])
    return found
