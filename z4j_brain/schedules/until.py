"""What was disabled until some time is enabled again by itself, whoever keeps it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from django.http import Http404
from django.utils import timezone

from z4j_brain.lib.problem import Problem
from z4j_brain.operations.models import Item
from z4j_brain.rbac import freezes
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.schedules import actions
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.verbs import ENABLE, KIND

#: Schedules that one turn takes on.
MOST: Final = 200
#: How soon it is asked again of what nobody has enabled.
AGAIN: Final = timedelta(minutes=5)


def enable() -> None:
    """Ask for it as somebody would: ours is enabled here, in the operation itself, and any other by its scheduler's
    agent. Where none does it, it is asked again after a while; while the environment is frozen, it is not.
    """
    now = timezone.now()
    over = Schedule.objects.filter(enabled=False, gone_at=None, disabled_until__lte=now)
    for schedule in over.select_related("environment__project").order_by("disabled_until")[:MOST]:
        if _was_asked(schedule, now - AGAIN) or freezes.over(schedule.environment, ENABLE.name):
            continue
        reason = f"It was disabled until now by {schedule.disabled_by or 'somebody'}."
        with suppress(Problem, Http404):  # somebody has deleted it while we looked
            actions.enable(schedule.environment, [schedule.pk], {}, actor=SYSTEM, reason=reason)


def _was_asked(schedule: Schedule, since: datetime) -> bool:
    items = Item.objects.filter(target_id=str(schedule.pk), operation__target_kind=KIND)
    return items.filter(operation__action=ENABLE.name, operation__created_at__gte=since).exists()
