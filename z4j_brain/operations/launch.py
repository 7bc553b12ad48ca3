"""From a wish to an operation: its targets frozen, judged and written down, and the commands that will carry it out.

Actions call `start` in their transaction; nothing of it is seen by agents before that commits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone, translation
from django.utils.translation import gettext

from z4j_brain.lib import bulk
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.operations import approving, outcomes, plan, statements, targets
from z4j_brain.operations import options as choices
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.operations.plan import Plan
from z4j_brain.operations.states import ItemOutcome, ItemProgress, LeftOut, OperationState, Relation
from z4j_brain.operations.targets import Candidate
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import Environment

#: Targets that an entry names one by one; of more it keeps how many they are, and the hash of their ids.
NAMED = 1_000
#: What an operation keeps is in one language, whoever asks.
_KEPT = "en"
#: Rows of one INSERT.
BATCH = 1_000
_ITEM = (
    "operation",
    "command",
    "target_id",
    "part",
    "label",
    "progress",
    "outcome",
    "left_out",
    "detail",
    "new_task_id",
    "settled_at",
)
#: What an agent would have answered, where the brain knows it beforehand.
_OUTCOMES = {
    LeftOut.ALREADY_FINAL: ItemOutcome.ALREADY_FINAL,
    LeftOut.ARGS_UNAVAILABLE: ItemOutcome.ARGS_UNAVAILABLE,
    LeftOut.UNSUPPORTED: ItemOutcome.UNSUPPORTED,
    LeftOut.REFUSED: ItemOutcome.REFUSED,
    LeftOut.AGENT_OFFLINE: ItemOutcome.NO_AGENT,
    LeftOut.GONE: ItemOutcome.NOT_FOUND,
}


def start(
    verb: Verb,
    environment: Environment,
    ids: Sequence[int | str],
    options: Mapping[str, Any] | None,
    given: Mapping[str, Any] | None,
    actor: Actor,
    reason: str,
    record: Record,
    claim: Claim | None = None,
    parent: Operation | None = None,
    relation: Relation | str = "",
    *,
    below: bool = False,
) -> Operation:
    """The operation of an action on these targets. `given`: the filter that led to them; None: they were named, and
    then each has to exist. `below`: whoever asks may only ask, so that it waits for whoever may do it.
    """
    demand_reason(environment, reason, always=verb.sole)
    kind, chosen = targets.kind(verb.kind), [str(pk) for pk in ids]
    if verb.sole and len(set(chosen)) > 1:
        raise invalid([Fault(pointer="#/targets", detail=gettext("One at a time."))])
    with translation.override(_KEPT):
        agreed = plan.make(kind, environment, actor, verb, list(dict.fromkeys(chosen)), options or {})
    if not chosen or (given is None and any(one.left_out == LeftOut.GONE for one in agreed.candidates)):
        raise Http404(gettext("There is no such target here."))
    _demand_fit(agreed)
    waits = approving.demand(environment, agreed, actor, below=below)
    subject = {"ids": chosen[:NAMED]} if given is None else given
    with translation.override(_KEPT):
        operation = _begin(environment, agreed, subject, actor, reason, record)
    approving.hold(operation, waits)
    operation.parent, operation.relation = (parent, relation) if parent else _again(environment, verb, given)
    operation.save(force_insert=True)
    if claim is not None:
        claim.take(operation)
    _write(operation, agreed, record)
    approving.seal(operation, waits, actor, record)
    _tell(operation, agreed, environment, record)
    return outcomes.sum_up(operation.pk) if agreed.left_count else operation


def asking(verb: Verb) -> Callable[..., Operation]:
    """The action of a verb with which nothing more is to be done than to ask for it, and what it does in the brain."""

    def ask(
        environment: Environment,
        ids: Sequence[int | str],
        options: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        *,
        actor: Actor,
        reason: str = "",
        claim: Claim | None = None,
        record: Record,
    ) -> Operation:
        operation = start(verb, environment, ids, options, given, actor, reason, record, claim)
        approving.take_effect(operation)
        return operation

    ask.__doc__ = str(verb.promise)
    return action(verb.permission, verb.name, fresh=Fresh.PEOPLE if verb.fresh else False)(ask)


def demand_reason(environment: Environment, reason: str, *, always: bool = False) -> None:
    if (always or environment.reason_required) and not reason.strip():
        detail = gettext("This environment asks for a reason: say why, for whoever reads it later.")
        if always:
            detail = gettext("This asks for a reason: say why, for whoever reads it later.")
        raise invalid([Fault(pointer="#/reason", detail=detail)])


def _demand_fit(agreed: Plan) -> None:
    """Arguments that not one of the targets takes are a mistake, not an operation."""
    if all(one.left_out == LeftOut.WRONG_ARGUMENTS for one in agreed.candidates):
        raise invalid([Fault(pointer="#/options/args", detail=agreed.candidates[0].why)])


def _begin(
    environment: Environment, agreed: Plan, given: Mapping[str, Any], actor: Actor, reason: str, record: Record
) -> Operation:
    options, now = agreed.options, timezone.now()
    begins = now + timedelta(seconds=options.get("delay") or 0)
    waits = timedelta(seconds=options["valid_for"]) if options.get("valid_for") else choices.LIFE
    return Operation(
        environment=environment,
        action=agreed.verb.name,
        target_kind=agreed.verb.kind,
        filter=dict(given),
        options=choices.told(agreed.verb.options, options),
        plan=agreed.told,
        reason=reason[:500],
        actor_type=actor.type,
        actor_id=actor.id,
        actor_name=actor.name[:255],
        total=agreed.total,
        halt_at=options.get("stop_after"),
        next_at=begins if options.get("delay") or options.get("rate") else None,
        entry_id=record.entry_id,
        expires_at=begins + waits + timedelta(seconds=2 * agreed.sending),
    )


def _write(operation: Operation, agreed: Plan, record: Record) -> None:
    """The commands, and an item for each target in the order in which they go. What is sealed wakes the agents."""
    commands, ways = [], {}
    for chunk in agreed.chunks():
        command = _command(operation, agreed.verb, chunk[0], agreed.options)
        commands.append((command, chunk))
        ways.update({(one.id, one.part): command.pk for one in chunk})
    statements.seal(operation, commands, record)
    Command.objects.bulk_create([command for command, _ in commands], batch_size=BATCH)
    pk, now = bulk.stored_uuid(operation.pk), bulk.stored_time(bulk.micros(timezone.now()) or 0)
    for step in bulk.batched(agreed.candidates, BATCH):
        bulk.append(Item, _ITEM, [(pk, *_item(one, ways.get((one.id, one.part)), now)) for one in step])


def _again(environment: Environment, verb: Verb, given: Mapping[str, Any] | None) -> tuple[Operation | None, str]:
    """The operation whose targets these are, when the same is asked of them once more."""
    if not given or "operation" not in given:
        return None, ""
    before = Operation.objects.filter(environment=environment, pk=given["operation"], action=verb.name).first()
    return before, Relation.AGAIN if before else ""


def _command(operation: Operation, verb: Verb, first: Candidate, options: Mapping[str, Any]) -> Command:
    return Command(
        operation=operation,
        environment_id=operation.environment_id,
        engine=first.engine,
        verb=first.asks or verb.asks,
        params=choices.params(verb.options, options) if first.params is None else dict(first.params),
        audience_id=first.audience,
        bound=verb.bound,
        expires_at=operation.expires_at,
    )


def _item(one: Candidate, command: UUID | None, now: str) -> tuple[str | None, ...]:
    """The columns of its item after the first."""
    told = (bulk.stored_uuid(command) if command else None, one.id, one.part, one.label[:512])
    if one.left_out is None:
        return (*told, ItemProgress.WAITING.value, None, "", "", "", None)
    outcome = _OUTCOMES.get(one.left_out, ItemOutcome.LEFT_OUT)
    return (*told, ItemProgress.SETTLED.value, outcome.value, one.left_out.value, str(one.why)[:500], "", now)


def _tell(operation: Operation, agreed: Plan, environment: Environment, record: Record) -> None:
    """What the ledger and open pages are told."""
    ids = [one.id for one in agreed.candidates]
    record.target(*((operation.target_kind, ids[0]) if len(ids) == 1 else ("operation", operation.pk)))
    named = {"targets": ids} if len(ids) <= NAMED else {}
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    options = {name: value for name, value in operation.options.items() if name not in agreed.verb.options.params}
    told = {"operation": str(operation.pk), "total": len(ids), "sha256": digest, "options": _exact(options)}
    record.params(told | named)
    given = {name: operation.options[name] for name in agreed.verb.options.params if name in operation.options}
    record.private({"given": _exact(given)} if given else {})
    record.nudge(environment.pk, "operation", [str(operation.pk)])


def _exact(options: Mapping[str, Any]) -> str:
    """As text: what people give has fractions and names in any language, which canonical JSON has no form for."""
    return json.dumps(dict(options), sort_keys=True, ensure_ascii=False)


def pending(operation: Operation) -> OperationState:
    """The state of an operation that goes on: has anything of it been handed out?"""
    taken = Command.objects.filter(operation=operation, fence__gt=0).exists()
    return OperationState.RUNNING if taken else OperationState.PENDING
