"""Commands that were asked for before the log was sealed: what waits is sealed once, so that it still goes out."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.operations import outbox, outcomes, statements
from z4j_brain.operations.models import Command, Operation
from z4j_brain.operations.states import CommandState
from z4j_brain.rbac.actor import SYSTEM

_WAITING = (CommandState.QUEUED, CommandState.LEASED)


def adopt() -> None:
    """Say what each of them may do, in an entry of their own: after an upgrade once, later there are none."""
    old = Command.objects.filter(state__in=_WAITING, statement=b"", expires_at__gt=timezone.now())
    for pk in set(old.values_list("operation", flat=True)[: outbox.ROUND]):
        with transaction.atomic():
            _adopt(pk)


def _adopt(operation_id: UUID) -> None:
    commands = Command.objects.select_for_update().filter(operation=operation_id, state__in=_WAITING, statement=b"")
    operation = Operation.objects.select_related("environment__project").get(pk=operation_id)
    going = [(command, goals) for command in commands.order_by("id") if (goals := outbox.goals(command, operation))]
    if not going:
        return
    entry_id, facts = statements.adopt(operation, going)
    told = {"commands": [str(command.pk) for command, _ in going]}
    allowed = Outcome.ALLOWED
    outcomes.record(Phase.REQUEST, operation, allowed, SYSTEM, told, "adopted", entry_id=entry_id, facts=facts)
