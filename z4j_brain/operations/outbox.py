"""The queue of commands: put in by actions, leased by agents, settled by their answers.

A command is leased for 30 seconds under a fence that grows with each lease, so that an answer to an older lease
changes nothing. After three leases without an answer it is set aside. Work is claimed by a conditional update on top of
SKIP LOCKED: two brains, or two of anything, are safe. Locks are taken in one order: command, item, operation.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from z4j_core import wire

from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import nudge
from z4j_brain.lib.bulk import micros
from z4j_brain.operations import targets
from z4j_brain.operations.models import Command, IdempotencyKey, Item, LateResult, Operation
from z4j_brain.operations.states import TERMINAL, CommandState, ItemOutcome, ItemProgress, OperationState
from z4j_brain.rbac.action import Record
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.models import Environment

logger = logging.getLogger(__name__)

#: How long an operation may wait for agents, and for the events that confirm it.
LIFE = timedelta(minutes=10)
LEASE = timedelta(seconds=30)
MAX_LEASES = 3
KEYS_KEPT = timedelta(hours=24)
#: Rows that one round of housekeeping takes up, so that its transactions stay short.
ROUND = 200

#: The state that shows that a verb has had its effect. Any other final state shows that it came too late.
_CONFIRMED_BY = {"cancel": "cancelled"}
_UNDONE = frozenset({ItemOutcome.EXPIRED, ItemOutcome.NO_AGENT, ItemOutcome.UNCONFIRMED})


def begin(
    environment: Environment,
    action: str,
    kind: str,
    ids: Sequence[int | str],
    actor: Actor,
    reason: str,
    record: Record,
) -> Operation:
    """The record of what an action was asked for, on these targets of one kind; in its transaction."""
    operation = Operation.objects.create(
        environment=environment,
        action=action,
        target_kind=kind,
        filter={"ids": list(ids)},
        reason=reason[:500],
        actor_type=actor.type,
        actor_id=actor.id,
        actor_name=actor.name[:255],
        total=len(ids),
        entry_id=record.entry_id,
        expires_at=timezone.now() + LIFE,
    )
    record.target(*((kind, ids[0]) if len(ids) == 1 else ("operation", operation.pk)))
    record.params({"operation": str(operation.pk), "targets": list(ids)})
    record.nudge(environment.pk, "operation", [str(operation.pk)])
    return operation


def enqueue(
    operation: Operation, verb: str, engine: str, items: Iterable[Item], audience: Agent | None
) -> list[Command]:
    """Put commands for these items into the queue, in the caller's transaction, and wake waiting agents after it."""
    waiting, commands = list(items), []
    for start in range(0, len(waiting), wire.MAX_TARGETS):
        command = Command.objects.create(
            operation=operation,
            environment_id=operation.environment_id,
            engine=engine,
            verb=verb,
            audience=audience,
            expires_at=operation.expires_at,
        )
        part = [item.pk for item in waiting[start : start + wire.MAX_TARGETS]]
        Item.objects.filter(pk__in=part).update(command=command)
        commands.append(command)
    nudge.wake_on_commit(operation.environment_id)
    return commands


def queued(environment_ids: Collection[int]) -> list[tuple[int, UUID | None, str, str]]:
    """What waits in these environments: environment, audience, engine and verb of each command."""
    rows = Command.objects.filter(
        environment_id__in=environment_ids, state=CommandState.QUEUED, expires_at__gt=timezone.now()
    )
    return list(rows.order_by("id").values_list("environment_id", "audience_id", "engine", "verb")[:ROUND])


def offers(agent: Agent) -> set[tuple[str, str]]:
    """The engines and verbs that this agent can serve and its owner lets it serve."""
    return {
        (engine["name"], verb)
        for engine in agent.engines
        for verb in engine.get("capabilities") or ()
        if verb in agent.allowed
    }


def lease(agent: Agent, limit: int = 1) -> list[wire.Command]:
    """Give up to `limit` queued commands to this agent, each for 30 seconds."""
    choice = Q(pk__in=[])
    for engine, verb in offers(agent):
        choice |= Q(engine=engine, verb=verb)
    with transaction.atomic():
        now = timezone.now()
        free = Command.objects.filter(
            environment_id=agent.environment_id, state=CommandState.QUEUED, expires_at__gt=now
        )
        mine = free.filter(choice, Q(audience=agent) | Q(audience=None)).order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            mine = mine.select_for_update(skip_locked=True)
        return [_dispatch(command, agent) for command in mine[:limit] if _claim(command, agent, now)]


def _claim(command: Command, agent: Agent, now: datetime) -> bool:
    """Take the command, unless another brain, with the same row before its eyes, was quicker."""
    fence = command.fence
    command.state, command.leased_by = CommandState.LEASED, agent
    command.fence, command.lease_expires_at = fence + 1, now + LEASE
    return bool(
        Command.objects.filter(pk=command.pk, state=CommandState.QUEUED, fence=fence).update(
            state=command.state, leased_by=agent, fence=command.fence, lease_expires_at=command.lease_expires_at
        )
    )


def _dispatch(command: Command, agent: Agent) -> wire.Command:
    operation = Operation.objects.select_related("environment__project").get(pk=command.operation_id)
    Operation.objects.filter(pk=operation.pk, state=OperationState.PENDING).update(state=OperationState.RUNNING)
    _record(Phase.DISPATCH, operation, Outcome.ALLOWED, SYSTEM, {"command": str(command.pk), "agent": str(agent.pk)})
    _nudge(operation)
    place = operation.environment
    return wire.Command(
        v=wire.VERSION,
        id=str(command.pk),
        operation=str(operation.pk),
        project=place.project.slug,
        environment=place.slug,
        engine=command.engine,
        verb=command.verb,
        audience=str(agent.boot),
        fence=command.fence,
        issued=micros(timezone.now()) or 0,
        expires=micros(command.expires_at) or 0,
        targets=_targets(command, operation),
        params=command.params,
    )


def _targets(command: Command, operation: Operation) -> list[wire.Target]:
    waiting = dict(Item.objects.filter(command=command, outcome=None).values_list("target_id", "pk"))
    found = targets.resolve(operation.target_kind, operation.environment_id, waiting)
    return [
        wire.Target(item=waiting[pk], task_id=one.task_id, name=one.name, queue=one.queue, vault=one.vault)
        for pk, one in found.items()
    ]


def settle(agent: Agent, results: wire.Results) -> bool:
    """Write down what an agent did. False when its lease had passed on: the answer is kept as late, not applied."""
    with transaction.atomic():
        command = (
            Command.objects.select_for_update()
            .filter(pk=results["command"], environment_id=agent.environment_id)
            .first()
        )
        if command is None:
            return False
        if command.fence != results["fence"] or command.leased_by_id != agent.pk:
            return _keep_late(command, agent, results)
        if command.state == CommandState.SETTLED:
            return True  # the same answer once more: the agent never heard that it had arrived
        # A lease that ran out, and that nobody has taken since, is still answered in time.
        if command.state not in (CommandState.LEASED, CommandState.QUEUED):
            return _keep_late(command, agent, results)
        command.state, command.settled_at = CommandState.SETTLED, timezone.now()
        command.save(update_fields=["state", "settled_at"])
        _apply(command, agent, results["results"])
        return True


def _keep_late(command: Command, agent: Agent, results: wire.Results) -> bool:
    LateResult.objects.create(command=command, agent=agent, fence=results["fence"], results=results["results"])
    logger.warning("late_result command=%s fence=%s agent=%s", command.pk, results["fence"], agent.pk)
    return False


def _apply(command: Command, agent: Agent, results: list[wire.Result]) -> None:
    answers = {result["item"]: result for result in results}
    items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
    for item in items:
        _answer(item, answers.get(item.pk))
    _write(items)
    operation = _sum_up(command.operation_id)
    outcomes = {item.target_id: item.outcome or item.progress for item in items}
    actor = Actor("agent", str(agent.pk), agent.name, auth={"method": "agent_key", "key": str(agent.key_id)})
    good = all(item.outcome in (None, ItemOutcome.DONE) for item in items)
    told = {"command": str(command.pk), "fence": command.fence, "outcomes": outcomes}
    _record(Phase.RESULT, operation, _result(good), actor, told)
    # The event that confirms may have been here before the answer.
    requested = [item.target_id for item in items if item.progress == ItemProgress.REQUESTED]
    if requested:
        found = targets.resolve(operation.target_kind, operation.environment_id, requested)
        ended = {pk: one.final for pk, one in found.items() if one.final}
        _confirm(operation.environment_id, ended)


def _answer(item: Item, result: wire.Result | None) -> None:
    if result is None:
        _end(item, ItemOutcome.FAILED, "The agent did not say what became of this target.")
        return
    item.new_task_id = result.get("new_task_id", "")
    if result["outcome"] == wire.Outcome.REQUESTED:
        item.progress, item.detail = ItemProgress.REQUESTED, result.get("detail", "")
    elif result["outcome"] in ItemOutcome.values:
        _end(item, ItemOutcome(result["outcome"]), result.get("detail", ""))
    else:
        _end(item, ItemOutcome.FAILED, f"The agent answered {result['outcome']}.")


def confirm(environment_id: int, states: Mapping[int, str]) -> None:
    """Events say that these tasks have ended: settle what was requested of them, in the transaction of ingest."""
    _confirm(environment_id, {str(pk): state for pk, state in states.items()})


def _confirm(environment_id: int, states: Mapping[str, str]) -> None:
    items = list(
        Item.objects.select_for_update(of=("self",))
        .select_related("command")
        .filter(target_id__in=states, progress=ItemProgress.REQUESTED, operation__environment_id=environment_id)
        .order_by("id")
    )
    for item in items:
        shown = _CONFIRMED_BY.get(item.command.verb if item.command else "")
        _end(item, ItemOutcome.DONE if states[item.target_id] == shown else ItemOutcome.ALREADY_FINAL, item.detail)
    _finish(items)


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
    if due := list(_open().filter(expires_at__lte=now).values_list("pk", flat=True)[:ROUND]):
        with transaction.atomic():
            _expire_operations(due)


def _open() -> QuerySet[Operation]:
    return Operation.objects.exclude(state__in=TERMINAL)


def _expire_leases(leases: QuerySet[Command], now: datetime) -> None:
    for command in _locked(leases):
        if command.fence < MAX_LEASES and command.expires_at > now:
            command.state = CommandState.QUEUED
            nudge.wake_on_commit(command.environment_id)
        elif command.fence >= MAX_LEASES:
            command.state = CommandState.SET_ASIDE
            items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
            for item in items:
                _end(item, ItemOutcome.SET_ASIDE, f"Given to agents {MAX_LEASES} times; none answered.")
            _finish(items)
        else:
            command.state = CommandState.EXPIRED
        command.save(update_fields=["state"])


def _stranded(now: datetime) -> dict[UUID, int]:
    """Commands whose agent has gone, with their environments."""
    gone = Q(audience__left_at__isnull=False) | Q(audience__seen_at__lt=now - SILENT_AFTER)
    rows = Command.objects.filter(gone, state=CommandState.QUEUED)
    return dict(rows.values_list("pk", "environment_id")[:ROUND])


def _free(stranded: dict[UUID, int]) -> None:
    """Let any agent take them that can."""
    Command.objects.filter(pk__in=stranded, state=CommandState.QUEUED).update(audience=None)
    for environment_id in set(stranded.values()):
        nudge.wake_on_commit(environment_id)


def _expire_operations(pks: list[UUID]) -> None:
    of_these = Command.objects.filter(operation__in=pks)
    for command in _locked(of_these.filter(state__in=(CommandState.QUEUED, CommandState.LEASED))):
        command.state = CommandState.EXPIRED
        command.save(update_fields=["state"])
    leases = dict(of_these.values_list("pk", "fence"))
    items = list(Item.objects.select_for_update().filter(operation__in=pks, outcome=None).order_by("id"))
    for item in items:
        if item.progress == ItemProgress.REQUESTED:
            _end(item, ItemOutcome.UNCONFIRMED, item.detail)
        elif item.command_id and leases[item.command_id]:
            _end(item, ItemOutcome.EXPIRED, "An agent took it and did not answer in time.")
        else:
            _end(item, ItemOutcome.NO_AGENT, "No agent that can do this asked for work in time.")
    _finish(items)


def prune(now: datetime | None = None) -> None:
    """Forget idempotency keys after a day."""
    IdempotencyKey.objects.filter(created_at__lt=(now or timezone.now()) - KEYS_KEPT).delete()


def sum_up(operation: Operation) -> Operation:
    """Count an operation's outcomes anew, for an action that has settled targets itself, in its transaction."""
    return _sum_up(operation.pk)


def _locked(commands: QuerySet[Command]) -> QuerySet[Command]:
    """Some of these commands, locked; what another process is at work on is left to it."""
    skip = connection.features.has_select_for_update_skip_locked
    return commands.select_for_update(skip_locked=skip).order_by("id")[:ROUND]


def _end(item: Item, outcome: ItemOutcome, detail: str = "") -> None:
    item.progress, item.outcome, item.detail, item.settled_at = ItemProgress.SETTLED, outcome, detail, timezone.now()


def _write(items: list[Item]) -> None:
    Item.objects.bulk_update(items, ["progress", "outcome", "detail", "new_task_id", "settled_at"], batch_size=100)


def _finish(items: list[Item]) -> None:
    """Write items that were settled without an agent's answer, and the result of their operations."""
    _write(items)
    for pk in sorted({item.operation_id for item in items}):
        outcomes = {item.target_id: str(item.outcome) for item in items if item.operation_id == pk}
        done = all(outcome == ItemOutcome.DONE for outcome in outcomes.values())
        _record(Phase.RESULT, _sum_up(pk), _result(done), SYSTEM, {"outcomes": outcomes})


def _result(done: bool) -> Outcome:
    return Outcome.SUCCEEDED if done else Outcome.FAILED


def _sum_up(operation_id: UUID) -> Operation:
    """The operation, locked, with its counts and its state as its items now stand."""
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    shares = Item.objects.filter(operation=operation).order_by().values_list("outcome").annotate(Count("pk"))
    counts: dict[str | None, int] = dict(shares)
    operation.settled = sum(counts.values()) - counts.get(None, 0)
    operation.succeeded = counts.get(ItemOutcome.DONE, 0)
    if operation.settled == operation.total and operation.state not in TERMINAL:
        operation.state = _ending(operation, counts)
        operation.finished_at = timezone.now()
    operation.save(update_fields=["settled", "succeeded", "state", "finished_at"])
    _nudge(operation)
    return operation


def _ending(operation: Operation, counts: Mapping[str | None, int]) -> OperationState:
    if operation.succeeded:
        return OperationState.SUCCEEDED if operation.succeeded == operation.total else OperationState.PARTIAL
    return OperationState.EXPIRED if any(counts.get(outcome) for outcome in _UNDONE) else OperationState.FAILED


def _record(phase: Phase, operation: Operation, outcome: Outcome, actor: Actor, params: dict[str, object]) -> None:
    place = operation.environment
    entries.append(
        phase=phase,
        action=operation.action,
        actor=actor,
        outcome=outcome,
        project=place.project.slug,
        environment=place.slug,
        target=("operation", str(operation.pk)),
        params=params,
        parent=operation.entry_id,
    )


def _nudge(operation: Operation) -> None:
    nudge.on_commit(operation.environment_id, "operation", [str(operation.pk)])
