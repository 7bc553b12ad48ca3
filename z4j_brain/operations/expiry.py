"""What time has run out on, among commands and operations, and what events have told of since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.lib import nudge
from z4j_brain.operations import approving, outbox, outcomes, snapshots
from z4j_brain.operations.models import Command, IdempotencyKey, Item, Operation, Revealed
from z4j_brain.operations.outbox import ROUND
from z4j_brain.operations.states import TERMINAL, CommandState, ItemOutcome, ItemProgress, OperationState
from z4j_brain.rbac import approvals

MAX_LEASES = 3
KEYS_KEPT = timedelta(hours=24)
#: How long a paused operation waits for whoever paused it.
PAUSED = timedelta(hours=24)
#: How long events may take to tell of what an agent could not be sure of, or never answered for.
DOUBTED = timedelta(minutes=15)
_DOUBTS = (ItemOutcome.UNKNOWN, ItemOutcome.EXPIRED, ItemOutcome.SET_ASIDE)
#: Items that are settled in one statement.
STEP = 1_000


def expire(now: datetime | None = None) -> None:
    """What time has run out on: leases go back into the queue or are set aside, commands and operations end."""
    now = now or timezone.now()
    # Looked at first without a transaction: where nothing is due, which is nearly always, nobody waits for a lock.
    leases = Command.objects.filter(state=CommandState.LEASED, lease_expires_at__lte=now)
    if leases.exists():
        with transaction.atomic():
            _expire_leases(leases, now)
    if stranded := _stranded(now):
        with transaction.atomic():
            _free(stranded)
    for pk in list(_due(now).values_list("pk", flat=True)[:ROUND]):
        with transaction.atomic():
            _expire_operation(pk, now)
    approving.expire(now)
    revealed = Revealed.objects.filter(expires_at__lte=now)
    if revealed.exists():
        revealed.delete()


def reconsider(now: datetime | None = None) -> None:
    """Settle anew what nobody knew of, once events tell that it took place."""
    since = (now or timezone.now()) - DOUBTED
    doubted = Item.objects.filter(outcome__in=_DOUBTS, settled_at__gte=since)
    commands = Command.objects.filter(fence__gt=0, pk__in=doubted.values("command")).select_related("operation")
    for command in commands.order_by("-id")[:ROUND]:
        with transaction.atomic():
            rows = doubted.select_for_update(of=("self",)).filter(command=command).order_by("id")
            if found := outbox.arrived(command.operation.target_kind, command, list(rows)):
                outcomes.finish(found)


def _due(now: datetime) -> QuerySet[Operation]:
    """What is paused waits longer."""
    running = Operation.objects.exclude(state__in=TERMINAL)
    paused = Q(state=OperationState.PAUSED)
    running = running.exclude(state=OperationState.AWAITING_APPROVAL)  # that has a time of its own
    return running.filter(~paused & Q(expires_at__lte=now) | paused & Q(paused_at__lte=now - PAUSED))


def _expire_leases(leases: QuerySet[Command], now: datetime) -> None:
    for command in _locked(leases):
        if command.operation.cancelled_at:
            command.state = CommandState.WITHDRAWN
            outcomes.doubt(
                command, "An agent took it and did not answer; since it was taken back, it is not sent again."
            )
        elif command.fence < MAX_LEASES and (command.expires_at > now or _stands_still(command)):
            command.state = CommandState.QUEUED
            nudge.wake_on_commit(command.environment_id)
        elif command.fence >= MAX_LEASES:
            command.state = CommandState.SET_ASIDE
            items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
            for item in items:
                outcomes.end(item, ItemOutcome.SET_ASIDE, f"Given to agents {MAX_LEASES} times; none answered.")
            outcomes.finish(items)
        else:
            command.state = CommandState.EXPIRED
        command.save(update_fields=["state"])


def _stands_still(command: Command) -> bool:
    """While its operation is paused, its time does not run out: when it goes on, it gets more."""
    return command.operation.state == OperationState.PAUSED


def _stranded(now: datetime) -> dict[UUID, int]:
    """Commands whose agent has gone and that others may carry out, with their environments."""
    gone = Q(audience__left_at__isnull=False) | Q(audience__seen_at__lt=now - SILENT_AFTER)
    rows = Command.objects.filter(gone, state=CommandState.QUEUED, bound=False)
    return dict(rows.values_list("pk", "environment_id")[:ROUND])


def _free(stranded: dict[UUID, int]) -> None:
    """Let any agent take them that can."""
    Command.objects.filter(pk__in=stranded, state=CommandState.QUEUED).update(audience=None)
    for environment_id in set(stranded.values()):
        nudge.wake_on_commit(environment_id)


def _expire_operation(pk: UUID, now: datetime) -> None:
    """Its time is up, unless somebody is at work on it, or has just given it more: nothing here waits for a lock, so
    that the order in which others take theirs does not matter. What they keep from us now is ours the next time.
    """
    if not list(_skipping(_due(now).filter(pk=pk)).values_list("pk", flat=True)):
        return
    commands = Command.objects.filter(operation=pk)
    going = commands.filter(state__in=(CommandState.QUEUED, CommandState.LEASED))
    taken = list(_skipping(going).order_by("id").values_list("pk", flat=True))
    commands.filter(pk__in=taken).update(state=CommandState.EXPIRED)
    while items := list(_skipping(_overdue(pk))[:STEP]):
        for item in items:
            _end(item)
        outcomes.finish(items)


def _overdue(pk: UUID) -> QuerySet[Item]:
    return Item.objects.filter(operation=pk, outcome=None).select_related("command").order_by("id")


def _end(item: Item) -> None:
    if item.progress == ItemProgress.REQUESTED:
        outcomes.end(item, ItemOutcome.UNCONFIRMED, item.detail)
    elif item.command is not None and item.command.fence:
        outcomes.end(item, ItemOutcome.EXPIRED, "An agent took it and did not answer in time.")
    else:
        outcomes.end(item, ItemOutcome.NO_AGENT, "No agent that can do this asked for work in time.")


def prune(now: datetime | None = None) -> None:
    """Forget idempotency keys after a day, and what previews found after an hour."""
    snapshots.prune(now)
    approvals.prune(now)
    IdempotencyKey.objects.filter(created_at__lt=(now or timezone.now()) - KEYS_KEPT).delete()


def _locked(commands: QuerySet[Command]) -> QuerySet[Command]:
    """Some of these commands, locked; what another process is at work on is left to it."""
    return _skipping(commands.select_related("operation")).order_by("id")[:ROUND]


def _skipping(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Locked, without those that somebody else has locked."""
    skips = connection.features.has_select_for_update_skip_locked
    return rows.select_for_update(skip_locked=skips, of=("self",))
