"""One way to ask, for panel, API and command line: what is wanted, on what, how; first as a preview, then for real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext

from z4j_brain.agents import queries as agents
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.lib.words import number
from z4j_brain.operations import approving, launch, nouns, plan, queries, snapshots, targets, verbs
from z4j_brain.operations import options as choices
from z4j_brain.operations.approving import Outlook
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Operation, Snapshot
from z4j_brain.operations.plan import Plan
from z4j_brain.operations.states import ItemOutcome
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.action import REGISTRY
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants: an action, options that were checked, and how the targets are chosen: by a preview, by name
    (`given` is None then), or by a filter.
    """

    verb: Verb
    options: Mapping[str, Any]
    ids: tuple[str, ...]
    given: Mapping[str, Any] | None = None
    snapshot: Snapshot | None = None

    @property
    def subject(self) -> Mapping[str, Any] | None:
        return self.snapshot.filter if self.snapshot else self.given

    @property
    def kept(self) -> Mapping[str, Any]:
        """What led to the targets, as a preview remembers it."""
        subject = self.subject
        return {_NAMED: list(self.ids[: launch.NAMED])} if subject is None else subject


class Behind(NamedTuple):
    agents: int
    events: int


class Note(NamedTuple):
    """What an engine's agents say of how they do it."""

    engine: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen. `behind`: agents that have more to tell, and how many events. `notes`: the engines' own."""

    plan: Plan
    snapshot: Snapshot
    behind: Behind
    notes: tuple[Note, ...]
    reason_required: bool
    outlook: Outlook

    @property
    def oldest(self) -> datetime | None:
        return min((one.at for one in self.plan.able if one.at), default=None)

    @property
    def newest(self) -> datetime | None:
        return max((one.at for one in self.plan.able if one.at), default=None)

    @property
    def expires_at(self) -> datetime:
        return self.snapshot.created_at + snapshots.KEPT


#: What is kept of targets that were chosen by name, in place of a filter.
_NAMED = "ids"


def read(environment: Environment, actor: Actor, asked: Mapping[str, Any], *, in_earnest: bool = False) -> Wish:
    """The wish behind `action`, one of `filter`, `targets`, `all` and `preview`, and `options`. A Problem points at
    what is wrong with it. `in_earnest`: it is to be done, so that a refusal goes on record.
    """
    verb = verbs.find(asked["action"])
    if verb is None:
        raise invalid([Fault(pointer="#/action", detail=f"One of {', '.join(verbs.names())}.")])
    if not approving.way(environment, actor, verb):
        if in_earnest:
            REGISTRY[verb.name].run(environment, (), actor=actor, reason=asked.get("reason", ""))
        rbac.require(actor, verb.permission, environment)
    given = [name for name in ("filter", "targets", "all", "preview") if asked.get(name) not in (None, False)]
    if len(given) != 1:
        raise invalid([Fault(pointer="#", detail="Exactly one of filter, targets, all and preview.")])
    if "preview" in given:
        return _of_preview(environment, actor, verb, asked.get("options") or {}, asked["preview"])
    options = choices.read(verb.options, asked.get("options") or {})
    if "targets" in given:
        ids = _named(asked["targets"])
        if not in_earnest:  # else the action looks, in its transaction
            _demand_known(environment, actor, verb, ids, options)
        return Wish(verb, {"wait": True} | options, ids)
    return _of_filter(environment, actor, verb, options, asked.get("filter") or {}, every="all" in given)


def _of_preview(environment: Environment, actor: Actor, verb: Verb, given: Mapping[str, Any], pk: UUID) -> Wish:
    """With the options that were previewed, unless others are given. What is for agents alone, no preview keeps."""
    snapshot = snapshots.find(environment, actor, verb.name, pk)
    if snapshot is None:
        detail = gettext("There is no such preview of yours for this action, or its hour is over. Preview once more.")
        raise Problem(
            422, "preview_gone", gettext("The preview is gone"), detail, [Fault(pointer="#/preview", detail=detail)]
        )
    secret = verb.options.secret
    if secret and not secret & set(given):
        detail = gettext("Say them once more: a preview does not keep them.")
        raise invalid([Fault(pointer=f"#/options/{name}", detail=detail) for name in sorted(secret)])
    options = choices.read(verb.options, {**snapshot.options, **given})
    return Wish(verb, options, tuple(snapshot.ids), snapshot=snapshot)


def _named(named: Sequence[Any]) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(str(pk) for pk in named))
    if not ids or len(ids) > targets.MOST:
        raise invalid(
            [Fault(pointer="#/targets", detail=gettext("From 1 to %(most)s targets.") % {"most": number(targets.MOST)})]
        )
    return ids


def _demand_known(
    environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Mapping[str, Any]
) -> None:
    kind = targets.kind(verb.kind)
    known = kind.known(environment, ids) - plan.hidden(kind, environment, actor, verb, ids, options)
    if strange := [f"#/targets/{place}" for place, pk in enumerate(ids) if pk not in known]:
        faults = [Fault(pointer=pointer, detail=gettext("There is no such target here.")) for pointer in strange[:20]]
        detail = gettext("Not all of these targets exist in this environment.")
        raise Problem(404, "not_found", gettext("Not found"), detail, faults)


def _of_filter(
    environment: Environment,
    actor: Actor,
    verb: Verb,
    options: dict[str, Any],
    given: Mapping[str, Any],
    *,
    every: bool,
) -> Wish:
    if not given and not every:
        detail = 'An empty filter would mean everything: say "all": true if that is meant.'
        raise invalid([Fault(pointer="#/filter", detail=detail)])
    try:
        ids = _selected(environment, actor, verb, given)
    except Problem as problem:
        for fault in problem.errors:
            fault["pointer"] = f"#/filter/{fault['pointer'].removeprefix('#/')}"
        raise
    if len(ids) > targets.MOST:
        detail = gettext("More than %(most)s targets match. Narrow the filter, and ask for the rest afterwards.")
        detail %= {"most": number(targets.MOST)}
        raise Problem(422, "too_many", gettext("Too many targets"), detail, [Fault(pointer="#/filter", detail=detail)])
    return Wish(verb, options, tuple(ids), given=dict(given))


def _selected(environment: Environment, actor: Actor, verb: Verb, given: Mapping[str, Any]) -> list[str]:
    if "operation" not in given:
        return targets.kind(verb.kind).select(environment, actor, given, targets.MOST + 1)
    if strange := sorted(set(given) - {"operation", "outcome"}):
        raise invalid([Fault(pointer=name, detail="Beside operation only outcome is a filter.") for name in strange])
    try:
        operation = queries.detail(actor, environment, UUID(str(given["operation"])))
    except (Http404, ValueError):
        raise invalid([Fault(pointer="operation", detail=gettext("There is no such operation here."))]) from None
    if operation.target_kind != verb.kind:
        detail = gettext("Its targets are of the kind %(kind)s.") % {"kind": nouns.noun(operation.target_kind)}
        raise invalid([Fault(pointer="operation", detail=detail)])
    return queries.ended_as(operation, _outcomes(given.get("outcome") or queries.FAILED))


def _outcomes(given: Any) -> list[str]:
    wanted = given if isinstance(given, list) else [given]
    known = [*ItemOutcome.values, queries.FAILED]
    if all(isinstance(one, str) and one in known for one in wanted):
        return wanted
    raise invalid([Fault(pointer="outcome", detail=f"Any of {', '.join(known)}.")])


def preview(environment: Environment, actor: Actor, wish: Wish) -> Preview:
    """Judge every target, change nothing, and remember which they are."""
    kind = targets.kind(wish.verb.kind)
    agreed = plan.make(kind, environment, actor, wish.verb, wish.ids, wish.options)
    form = wish.verb.options
    options = {name: value for name, value in wish.options.items() if name not in form.secret}
    kept = snapshots.keep(environment, actor, wish.verb.name, wish.kept, wish.ids, agreed.confirm, options)
    engines = sorted({one.engine for one in agreed.candidates})
    notes = [Note(engine, agents.reach(environment, engine).offer(wish.verb.asks).note) for engine in engines]
    told = tuple(note for note in notes if note.text)
    outlook = approving.outlook(environment, agreed, actor)
    reasoned = environment.reason_required or wish.verb.sole
    return Preview(agreed, kept, Behind(*agents.behind(environment)), told, reasoned, outlook)


def run(
    environment: Environment,
    actor: Actor,
    wish: Wish,
    reason: str,
    confirm: int | None = None,
    claim: Claim | None = None,
) -> Operation:
    """The operation. Refused while nothing matches, or while the number to be typed is not the right one."""
    if not wish.ids:
        detail = gettext("Nothing matches: there is nothing to do.")
        raise Problem(422, "nothing_matches", detail, detail, [Fault(pointer="#/filter", detail=detail)])
    if wish.verb.typed:
        _demand_number(environment, actor, wish, confirm)
    below = approving.way(environment, actor, wish.verb) == approving.REQUEST
    ask = REGISTRY["operation.request" if below else wish.verb.name].run
    wanted = (*((wish.verb.name,) if below else ()), wish.ids, wish.options, wish.subject)
    try:
        operation: Operation = ask(environment, *wanted, actor=actor, reason=reason, claim=claim)
    except Http404:
        _demand_known(environment, actor, wish.verb, wish.ids, wish.options)
        raise
    return operation


def _demand_number(environment: Environment, actor: Actor, wish: Wish, confirm: int | None) -> None:
    wanted = wish.snapshot.confirm if wish.snapshot else None
    if wanted is None:
        kind = targets.kind(wish.verb.kind)
        wanted = plan.make(kind, environment, actor, wish.verb, wish.ids, wish.options).confirm
    if confirm != wanted:
        detail = gettext("What goes cannot be brought back. Say how many that is, as last measured: %(number)s.")
        detail %= {"number": number(wanted)}
        raise Problem(422, "confirm", gettext("Not confirmed"), detail, [Fault(pointer="#/confirm", detail=detail)])
