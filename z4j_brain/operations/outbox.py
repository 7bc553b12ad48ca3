"""The queue of commands: put in by actions, leased by agents once they are sealed, settled by their answers.

A command is leased for 30 seconds under a fence that grows with each lease, so that an answer to an older lease
changes nothing. After three leases without an answer it is set aside. Work is claimed by a conditional update on top of
SKIP LOCKED: two brains, or two of anything, are safe. Locks are taken in one order: command, item, operation; but an
operation that keeps a pace is moved on, in one statement, before its command is taken.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from z4j_core import revealed, wire
from z4j_core.engine import Target
from z4j_core.sealed import MAX_BLOBS
from z4j_core.verbs import MAKES

from z4j_brain.agents.models import Agent
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import nudge
from z4j_brain.lib.bulk import micros
from z4j_brain.operations import outcomes, statements, targets
from z4j_brain.operations.models import Command, Item, LateResult, Operation, Revealed
from z4j_brain.operations.states import CommandState, ItemOutcome, ItemProgress, OperationState
from z4j_brain.rbac.actor import SYSTEM, Actor

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
#: How long whoever asked has to take what was revealed.
REVEALED = timedelta(minutes=5)
#: Rows that one look takes up.
ROUND = 200
#: Kinds of waiting commands that one look tells apart, and agents that it wakes for one kind.
KINDS, WOKEN = 5_000, 20
#: How far an operation may fall behind its pace and still catch up.
SLACK = timedelta(seconds=2)

#: What a worker is after its process has ended, whatever began in its place.
ENDED = "ended"
#: The state that shows that a verb has had its effect. Any other final state shows that it came too late.
_CONFIRMED_BY = {"cancel": "cancelled", "stop": ENDED, "restart": ENDED}
#: Verbs that nobody repeats: cut off in one, only the agent that had it can know how far it came.
_ONCE = frozenset({"purge"})
#: Verbs that need the original of a task.
_REPEATING = frozenset({"retry", "retry_with", revealed.VERB})
#: What a worker that has come back under its name is still to be told. A restart it has just had.
_OUTLIVING = frozenset({"pause", "resume", "rate_limit", "time_limit", "autoscale"})
_OUTCOMES = frozenset(ItemOutcome.values)
_GOING = (OperationState.PENDING, OperationState.RUNNING)


def _free(now: datetime) -> QuerySet[Command]:
    """What may be handed out now: sealed, not while its operation is paused, and not ahead of its pace."""
    due = Q(operation__next_at=None) | Q(operation__next_at__lte=now)
    rows = Command.objects.filter(due, state=CommandState.QUEUED, expires_at__gt=now, operation__state__in=_GOING)
    return statements.ready(rows)


def queued(environment_ids: Collection[int]) -> list[tuple[int, UUID | None, str, str]]:
    """What waits in these environments: environment, audience, engine and verb, as often as agents may be woken for it.

    However much waits of one kind, it hides nothing of another kind or of another tenant.
    """
    rows = _free(timezone.now()).filter(environment_id__in=environment_ids).order_by()
    kinds = rows.values_list("environment_id", "audience_id", "engine", "verb").annotate(number=Count("pk"))
    return [
        (place, agent, engine, verb)
        for place, agent, engine, verb, number in kinds[:KINDS]
        for _ in range(min(number, WOKEN))
    ]


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
        free = _free(now).filter(environment_id=agent.environment_id).select_related("operation", "leased_by")
        mine = free.filter(choice, Q(audience=agent) | Q(audience=None)).order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            mine = mine.select_for_update(skip_locked=True, of=("self",))
        found = [(command, command.leased_by) for command in mine[:limit]]
        prover = statements.Prover()
        taken = [
            (command, last, proof)
            for command, last in found
            if (proof := prover.prove(command)) and _may_go(command, now) and _claim(command, agent, now)
        ]
        return [told for command, last, proof in taken if (told := _dispatch(command, agent, last, proof))]


def _may_go(command: Command, now: datetime) -> bool:
    """Keep the pace of its operation: of two who ask at once, one gets the turn."""
    operation = command.operation
    if operation.next_at is None or not operation.options.get("rate"):
        return True
    number = Item.objects.filter(command=command, outcome=None).count()
    rate = operation.options.get("rate")
    then = max(operation.next_at, now - SLACK) + timedelta(seconds=number / rate if rate else 0)
    turn = Operation.objects.filter(pk=operation.pk, state__in=_GOING, next_at=operation.next_at)
    return bool(turn.update(next_at=then))


def _claim(command: Command, agent: Agent, now: datetime) -> bool:
    """Take the command, unless another brain, with the same row before its eyes, was quicker, or it was paused."""
    fence = command.fence
    command.state, command.leased_by = CommandState.LEASED, agent
    command.fence, command.lease_expires_at = fence + 1, now + LEASE
    theirs = {"audience": agent, "bound": True} if command.verb in _ONCE else {}
    going = Command.objects.filter(pk=command.pk, state=CommandState.QUEUED, fence=fence, operation__state__in=_GOING)
    return bool(
        going.update(
            state=command.state,
            leased_by=agent,
            fence=command.fence,
            lease_expires_at=command.lease_expires_at,
            **theirs,
        )
    )


def _dispatch(command: Command, agent: Agent, last: Agent | None, proof: wire.Proof) -> wire.Command | None:
    """The command as it travels; None when events have already told of all that it was to do. `last`: who had it before
    this lease, if anybody.
    """
    operation = Operation.objects.select_related("environment__project").get(pk=command.operation_id)
    Operation.objects.filter(pk=operation.pk, state=OperationState.PENDING).update(state=OperationState.RUNNING)
    if command.fence > 1 and not _without_arrived(command):
        return None
    if not (told_of := goals(command, operation)):
        return None
    _enclose(command, operation, told_of, agent.vault)
    told = {"command": str(command.pk), "agent": str(agent.pk)}
    outcomes.record(Phase.DISPATCH, operation, Outcome.ALLOWED, SYSTEM, told)
    nudge.on_commit(operation.environment_id, "operation", [str(operation.pk)])
    place = operation.environment
    sent = wire.Command(
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
        targets=told_of,
        params=statements.params(command),
        proof=proof,
    )
    if last is not None:
        sent["held_by"] = [str(last.boot)]
    return sent


def goals(command: Command, operation: Operation) -> list[wire.Target]:
    """What is still to be done, as the agent knows it. What is no longer kept here is settled."""
    waiting = list(Item.objects.filter(command=command, outcome=None).order_by("id"))
    found = targets.resolve(operation.target_kind, operation.environment_id, {item.target_id for item in waiting})
    if gone := [item for item in waiting if item.target_id not in found]:
        for item in gone:
            outcomes.end(item, ItemOutcome.NOT_FOUND, "It was no longer kept when its turn came.")
        outcomes.finish(gone)
        if len(gone) == len(waiting):
            _close(command)
    chosen = statements.chosen_queue(command)
    return [
        wire.Target(
            item=item.pk,
            task_id=one.task_id,
            name=one.name,
            queue=one.queue or chosen,
            worker=one.worker,
            vault=one.vault,
        )
        for item in waiting
        if (one := found.get(item.target_id))
    ]


def _enclose(command: Command, operation: Operation, told_of: Sequence[wire.Target], vault: str) -> None:
    """Give back what agents have sealed of these tasks, those first whose originals are not in the agent's own vault;
    what has no room in a command goes without.
    """
    if command.verb not in _REPEATING:
        return
    ids = dict(Item.objects.filter(pk__in=[one["item"] for one in told_of]).values_list("pk", "target_id"))
    found, room = targets.sealed(operation.target_kind, operation.environment_id, set(ids.values())), MAX_BLOBS
    for one in sorted(told_of, key=lambda one: one.get("vault") == vault):
        sealed = found.get(ids[one["item"]])
        if sealed and len(sealed["blob"]) <= room:
            one["sealed"], room = sealed, room - len(sealed["blob"])


def _close(command: Command) -> None:
    """Nothing of it is left to do."""
    Command.objects.filter(pk=command.pk).update(state=CommandState.SETTLED, settled_at=timezone.now())


def _without_arrived(command: Command) -> bool:
    """An agent was given it before and never answered. What events tell of is settled; False when that is all of it."""
    if command.verb not in MAKES:
        return True
    items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
    if found := arrived(command.operation.target_kind, command, items):
        outcomes.finish(found)
    if len(found) == len(items):
        _close(command)
    return len(found) < len(items)


def arrived(kind: str, command: Command, items: list[Item]) -> list[Item]:
    """Those of the items whose new task has been heard of: they were carried out, whatever became of the agent."""
    if command.verb not in MAKES:
        return []
    known = targets.resolve(kind, command.environment_id, [item.target_id for item in items])
    ids = {
        item.pk: Target(known[item.target_id].task_id, str(command.pk), item.pk).new_task_id()
        for item in items
        if item.target_id in known
    }
    heard = targets.kind(kind).arrived(command.environment_id, command.engine, ids.values())
    found = [item for item in items if ids.get(item.pk) in heard]
    for item in found:
        item.new_task_id = ids[item.pk]
        outcomes.end(item, ItemOutcome.DONE, "Events tell of it; the agent that did it was cut off before it answered.")
    return found


def readdress(old: UUID, new: Agent) -> None:
    """A worker has come back under its name: what is still valid and was meant for it is given to its new agent, also
    what the old one has taken and does not answer any more.
    """
    going = (CommandState.QUEUED, CommandState.LEASED)
    rows = Command.objects.filter(audience_id=old, state__in=going, bound=True, verb__in=_OUTLIVING)
    if rows.update(audience=new):
        nudge.wake_on_commit(new.environment_id)


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
    told = [{name: value for name, value in one.items() if name != "revealed"} for one in results["results"]]
    LateResult.objects.create(command=command, agent=agent, fence=results["fence"], results=told)
    logger.warning("late_result command=%s fence=%s agent=%s", command.pk, results["fence"], agent.pk)
    return False


def _apply(command: Command, agent: Agent, results: list[wire.Result]) -> None:
    answers = {result["item"]: result for result in results}
    items = list(Item.objects.select_for_update().filter(command=command, outcome=None).order_by("id"))
    for item in items:
        _answer(item, answers.get(item.pk))
    outcomes.write(items)
    if command.verb == revealed.VERB:
        _keep_revealed(command, [answers[item.pk] for item in items if item.outcome == ItemOutcome.DONE])
    operation = outcomes.sum_up(command.operation_id)
    outcomes.follow(operation, items)
    became = {item.target_id: item.outcome or item.progress for item in items}
    actor = Actor("agent", str(agent.pk), agent.name, auth={"method": "agent_key", "key": str(agent.key_id)})
    good = all(item.outcome in (None, ItemOutcome.DONE) for item in items)
    told = {"command": str(command.pk), "fence": command.fence, "outcomes": became}
    outcomes.record(Phase.RESULT, operation, outcomes.result(good), actor, told, _code(results))
    # The event that confirms may have been here before the answer.
    requested = [item.target_id for item in items if item.progress == ItemProgress.REQUESTED]
    if requested:
        found = targets.resolve(operation.target_kind, operation.environment_id, requested)
        ended = {pk: one.final for pk, one in found.items() if one.final}
        _confirm(operation.environment_id, operation.target_kind, ended)


def _answer(item: Item, result: wire.Result | None) -> None:
    if result is None:
        outcomes.end(item, ItemOutcome.FAILED, "The agent did not say what became of this target.")
        return
    item.new_task_id = result.get("new_task_id", "")
    if result["outcome"] == wire.Outcome.REQUESTED:
        item.progress, item.detail = ItemProgress.REQUESTED, result.get("detail", "")
    elif result["outcome"] in _OUTCOMES:
        outcomes.end(item, ItemOutcome(result["outcome"]), result.get("detail", ""))
    else:
        outcomes.end(item, ItemOutcome.FAILED, f"The agent answered {result['outcome']}.")


def _keep_revealed(command: Command, results: list[wire.Result]) -> None:
    """Sealed to whoever asked: for them, for a moment, and apart from all that anybody else reads."""
    for blob in filter(None, (result.get("revealed") for result in results)):
        kept = {"command": command, "blob": base64.b64decode(blob), "expires_at": timezone.now() + REVEALED}
        Revealed.objects.update_or_create(operation=command.operation, defaults=kept)


def _code(results: list[wire.Result]) -> str:
    """Why an agent would not do it, where that is one thing."""
    codes = {result.get("code", "") for result in results}
    return codes.pop() if len(codes) == 1 else ""


def confirm(environment_id: int, kind: str, states: Mapping[int, str]) -> None:
    """Events say that these targets have ended: settle what was requested of them, in the transaction of ingest."""
    _confirm(environment_id, kind, {str(pk): state for pk, state in states.items()})


def _confirm(environment_id: int, kind: str, states: Mapping[str, str]) -> None:
    items = list(
        Item.objects.select_for_update(of=("self",))
        .select_related("command")
        .filter(target_id__in=states, progress=ItemProgress.REQUESTED, operation__environment_id=environment_id)
        .filter(operation__target_kind=kind)  # a task and a worker may have the same number
        .order_by("id")
    )
    for item in items:
        shown = _CONFIRMED_BY.get(item.command.verb if item.command else "")
        outcomes.end(
            item, ItemOutcome.DONE if states[item.target_id] == shown else ItemOutcome.ALREADY_FINAL, item.detail
        )
    outcomes.finish(items)
