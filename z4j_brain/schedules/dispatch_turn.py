"""Turns of housekeeping that fire z4j's own schedules, in every environment."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import dispatch

#: Rounds of one environment in one turn: what is left then is the next turn's.
ROUNDS: Final = 20
#: Environments that one turn takes on.
MOST: Final = 200


def turn() -> None:
    """Fire what is due. Looked at first without a transaction: most of the time nothing is."""
    due = dispatch.due(timezone.now()).order_by().values_list("environment", flat=True).distinct()[:MOST]
    for environment in Environment.objects.select_related("project").filter(pk__in=list(due)):
        for _ in range(ROUNDS):
            if dispatch.fire(environment) < dispatch.ROUND:
                break


def reports() -> None:
    """Say on runs what agents, or their absence, made of them."""
    dispatch.report()
