"""`@action`: the one way in which somebody's wish becomes a change.

    @action(Permission.RETRY, "task.retry")
    def retry(environment, task_ids, *, actor, reason="", record): ...

The caller passes the target first, then `actor=` and perhaps `reason=`. The decorator decides; a refusal is recorded
in a transaction of its own, so that it survives. Else one durable transaction holds the body's changes and the ledger
entry, and nudges go out when it has committed. A crash in the body leaves nothing. No flag skips any of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from auditlog.diff import model_instance_diff
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import Http404

from z4j_brain.ledger import entries
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import nudge
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac import access, approvals
from z4j_brain.rbac import fresh as proof
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Approval
from z4j_brain.rbac.states import ApprovalState, InstancePermission, Permission

Result = TypeVar("Result")


class Refused(PermissionDenied):
    """You may not do this."""

    def __init__(self, decision: access.Decision) -> None:
        super().__init__(decision.reason)
        self.decision, self.rule, self.visible = decision, decision.rule, decision.visible


class Hidden(Refused, Http404):
    """Refused on something the actor may not even see: every door answers as if it did not exist."""


@dataclass(frozen=True, slots=True)
class ActionInfo:
    name: str
    permission: Permission | InstancePermission
    phase: Phase
    run: Callable[..., Any]
    fresh: proof.Fresh | None
    #: What somebody else needs to hold to agree to it.
    agree: Permission | InstancePermission


#: Every action of the brain by name. A test walks it.
REGISTRY: dict[str, ActionInfo] = {}


@dataclass(slots=True)
class Record:
    """What the body of an action tells the ledger about itself. `entry_id` is known before the entry is written."""

    entry_id: UUID = field(default_factory=uuid7)
    _target: tuple[str, str] = ("", "")
    _params: dict[str, Any] = field(default_factory=dict)
    _private: dict[str, Any] = field(default_factory=dict)
    _facts: dict[str, Any] = field(default_factory=dict)
    _nudges: list[tuple[int, str, list[str]]] = field(default_factory=list)
    _outcome: Outcome = Outcome.ALLOWED

    def target(self, kind: str, identifier: object) -> None:
        self._target = (kind, str(identifier)[:255])

    def params(self, params: Mapping[str, Any]) -> None:
        """What was asked for. The entry's body keeps its digest, the erasable part its content."""
        self._params.update(params)

    def private(self, private: Mapping[str, Any]) -> None:
        self._private.update(private)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """What the entry's body says beside what every body says: short, and never about a person."""
        self._facts.update(facts)

    def diff(self, old: Model | None, new: Model | None) -> None:
        """What changed in a row of configuration, field by field."""
        changes = model_instance_diff(old, new) or {}
        self._private["diff"] = {name: [str(was), str(now)] for name, (was, now) in changes.items()}

    def waits(self) -> None:
        """It was asked for, and is not done before somebody else has agreed."""
        self._outcome = Outcome.PENDING

    @property
    def is_agreed(self) -> bool:
        """Has somebody else agreed to it before?"""
        return "approval" in self._params

    def nudge(self, environment_id: int, kind: str, ids: Sequence[str] = ()) -> None:
        self._nudges.append((environment_id, kind, list(ids)))


def action(
    permission: Permission | InstancePermission,
    name: str,
    *,
    phase: Phase = Phase.REQUEST,
    also: Callable[[Any], Permission | None] = lambda target: None,
    fresh: bool | proof.Fresh = False,
    eyes: Callable[..., Sequence[approvals.Wish]] = lambda *args, **kwargs: (),
    agree: Permission | None = None,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Make a function of `actions.py` an action. Its first positional argument is what is decided on.

    `also`: a second permission that it takes on this target, where what it does depends on the target.
    `fresh`: a person has to have given their second factor within ten minutes, and no token may do it, ever;
    `Fresh.PEOPLE`: a token that has the scope may.
    `eyes`: what another person has to agree to first, where the policy says so; called like the action itself.
    `agree`: the permission that the other person needs at the place of the wish; left out: the action's own.
    """
    demand = proof.Fresh.ALL if fresh is True else fresh or None

    def decorate(body: Callable[..., Result]) -> Callable[..., Result]:
        _check(body, name)

        @functools.wraps(body)
        def run(target: Any, *args: Any, actor: Actor, reason: str = "", **kwargs: Any) -> Result:
            decision = access.decide(actor, permission, target)
            if decision.allow and (second := also(target)):
                decision = access.decide(actor, second, target)
            if decision.allow and demand and (missing := proof.refusal(actor, demand)):
                decision = missing
            if not decision.allow:
                _refuse(decision, name, phase, actor, target, reason)
            permits = _agreed(eyes(target, *args, **kwargs), REGISTRY[name], actor, target, reason)
            try:
                with transaction.atomic(durable=True):
                    record = Record()
                    for permit in permits:
                        _use(permit, record)
                    result = body(target, *args, actor=actor, reason=reason, record=record, **kwargs)
                    _append(record, name, phase, actor, target, reason, record._outcome, decision.rule)
                    for environment_id, kind, ids in record._nudges:
                        nudge.on_commit(environment_id, kind, ids)
            except Refused as refusal:  # that the body found: nothing of it stays but the refusal
                _refuse(refusal.decision, name, phase, actor, target, reason)
            if actor.known is not None and phase == Phase.ADMIN:
                actor.known.clear()  # it may have changed what the actor holds
            return result

        REGISTRY[name] = ActionInfo(name, permission, phase, run, demand, agree or permission)
        return run

    return decorate


def _check(body: Callable[..., Any], name: str) -> None:
    parameters = inspect.signature(body).parameters
    missing = [
        needed
        for needed in ("actor", "reason", "record")
        if needed not in parameters or parameters[needed].kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    if missing:
        raise TypeError(f"The body of the action {name} takes {', '.join(missing)} as keyword-only.")
    if name in REGISTRY and REGISTRY[name].run.__qualname__ != body.__qualname__:
        raise TypeError(f"There are two actions named {name}.")


def _refuse(decision: access.Decision, name: str, phase: Phase, actor: Actor, target: Any, reason: str) -> None:
    with transaction.atomic(durable=True):
        _append(Record(), name, phase, actor, target, reason, Outcome.REFUSED, decision.rule)
    raise Refused(decision) if decision.visible else Hidden(decision)


def _agreed(
    wishes: Sequence[approvals.Wish], info: ActionInfo, actor: Actor, target: Any, reason: str
) -> list[Approval]:
    """The yes of somebody else to each wish that takes one. Those that are missing are asked for, all at once."""
    if actor.type == "system":
        return []
    found, missing = [], None
    for wish in wishes:
        where = approvals.wanted(wish, info.name, info.agree, actor)
        if where is None:
            continue
        asked = approvals.pending(where.environment, info.name, wish, actor)
        is_new = asked is None
        asked = asked or _ask(where, info, wish, actor, target, reason)
        found.append(asked)
        if asked.state != ApprovalState.APPROVED:
            missing = missing or approvals.Needed(asked, is_new=is_new)
    if missing is not None:
        raise missing
    return found


def _ask(
    where: approvals.Where, info: ActionInfo, wish: approvals.Wish, actor: Actor, target: Any, reason: str
) -> Approval:
    with transaction.atomic(durable=True):
        asked, record = approvals.ask(where, info.name, wish, actor, reason), Record()
        record.target("approval", asked.pk)
        record.params({"approval": str(asked.pk), "approval_digest": asked.digest})
        _append(record, info.name, info.phase, actor, target, reason, Outcome.PENDING, "approval_needed")
        nudge.on_commit(asked.environment_id, "approval", [str(asked.pk)])
    return asked


def _use(permit: Approval, record: Record) -> None:
    if not approvals.use(permit):  # by the same person, a moment ago
        raise approvals.Needed(permit, is_new=False)
    record.params({"approval": str(permit.pk), "approval_digest": permit.digest})


def _append(
    record: Record, name: str, phase: Phase, actor: Actor, target: Any, reason: str, outcome: Outcome, rule: str
) -> None:
    project, environment = access.place(target)
    private = dict(record._private)
    if reason:
        private["reason"] = reason
    entries.append(
        entry_id=record.entry_id,
        phase=phase,
        action=name,
        actor=actor,
        outcome=outcome,
        project=project.slug if project else "",
        environment=environment.slug if environment else "",
        target=record._target if record._target[0] else _named(target),
        reason_code=rule,
        params=record._params,
        private=private,
        facts=record._facts,
    )


def _named(target: Any) -> tuple[str, str]:
    """The target of an entry whose action names none: what was decided on."""
    if isinstance(target, Model):
        return target._meta.model_name or "", str(target.pk)
    return "instance", ""
