"""What an operation would do, before it does it: every target judged, counted and sorted.

The preview and the run judge with the same code, so that what was said is what happens to the last target, unless the
world has changed in between: then the run says so, target by target.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.utils.translation import gettext

from z4j_brain.operations.options import NEWEST
from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.targets import Candidate, Kind
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import access
from z4j_brain.rbac.access import Held
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.rbac.states import Permission

#: Of each thing that a preview sorts by, so many values are told.
SHOWN = 10
SAMPLES = 5
#: Targets that one command takes at most: small enough that people see it move and can stop it.
CHUNK = 200
#: Commands of one operation, about: to count after each of very many would take longer than what they do.
COMMANDS = 1_000
#: Targets a second that one agent gets through, as measured with the slowest engines.
USUAL_PACE = 100.0


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the targets that are left have this value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """How many targets are left out for one reason, with a sentence on what to do about it."""

    code: LeftOut
    count: int
    text: str

    @property
    def label(self) -> str:
        return str(self.code.label)


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order in which they are to go."""

    verb: Verb
    candidates: tuple[Candidate, ...]
    options: Mapping[str, Any]

    @property
    def matching(self) -> int:
        return len({one.id for one in self.candidates})

    @property
    def total(self) -> int:
        return len(self.candidates)

    @property
    def able(self) -> list[Candidate]:
        return [one for one in self.candidates if one.left_out is None]

    @property
    def waiting(self) -> int:
        """Targets for which no agent answers now."""
        return sum(one.waits for one in self.able)

    @property
    def excluded(self) -> list[Excluded]:
        """By reason, most first."""
        counts = Counter(one.left_out for one in self.candidates if one.left_out)
        texts = {one.left_out: one.why for one in reversed(self.candidates) if one.left_out}
        return [Excluded(code, number, texts[code]) for code, number in counts.most_common() if code]

    @property
    def by(self) -> dict[str, list[Share]]:
        """How the targets that are left split."""
        found: dict[str, Counter[str]] = {}
        for one in self.able:
            for facet, value in one.facets.items():
                found.setdefault(facet, Counter())[value] += 1
        return {
            facet: [Share(value, number) for value, number in counts.most_common(SHOWN)]
            for facet, counts in found.items()
        }

    @property
    def samples(self) -> list[Candidate]:
        """A few of those that are left, from the first to the last."""
        able = self.able
        step = max(1, (len(able) - 1) // (SAMPLES - 1)) if len(able) > SAMPLES else 1
        return able[::step][: SAMPLES - 1] + able[-1:] if len(able) > SAMPLES else able

    @property
    def sending(self) -> float:
        """How long it takes to send them, roughly, from the first to the last."""
        return len(self.able) / min(float(self.options.get("rate") or USUAL_PACE), USUAL_PACE)

    @property
    def seconds(self) -> float:
        """How long it takes until all are sent, roughly."""
        return float(self.options.get("delay") or 0) + self.sending

    @property
    def milliseconds(self) -> float:
        return self.seconds * 1000

    @property
    def left_count(self) -> int:
        return sum(one.left_out is not None for one in self.candidates)

    @property
    def confirm(self) -> int | None:
        """The number that has to be typed before it is done; None where none has to be."""
        return sum(one.size for one in self.able) if self.verb.typed else None

    @property
    def told(self) -> dict[str, Any]:
        """What an operation keeps of it."""
        excluded = [
            {"code": one.code.value, "label": str(one.label), "count": one.count, "text": one.text}
            for one in self.excluded
        ]
        by = {facet: {share.value: share.count for share in shares} for facet, shares in self.by.items()}
        return {"matching": self.matching, "able": len(self.able), "excluded": excluded, "by": by}

    def chunks(self) -> Iterable[list[Candidate]]:
        """Those that agents are asked for, as they are to travel: each chunk for one engine and one agent."""
        size = chunk_size(self.options, self.total)

        def way(one: Candidate) -> tuple[str, str, str, str]:
            own = "" if one.params is None else json.dumps(one.params, sort_keys=True, default=str)
            return one.engine, str(one.audience or ""), one.asks, own

        going = [one for one in self.able if not one.within]
        # A pace counts targets in their order; without one, whoever can take a full command may have it.
        able = going if paced(self.options) else sorted(going, key=way)
        for _, group in groupby(able, key=way):
            rows = list(group)
            yield from (rows[start : start + size] for start in range(0, len(rows), size))


def make(
    kind: Kind,
    environment: Environment,
    actor: Actor,
    verb: Verb,
    ids: Sequence[str],
    options: Mapping[str, Any],
) -> Plan:
    """Judge each target. In a transaction, their rows are locked: what is heard of them comes after what is asked."""
    ids = sorted(ids, key=_age, reverse=options.get("order") == NEWEST)
    held = access.permissions(actor, environment)
    found = kind.candidates(environment, actor, verb, ids, options)
    return Plan(verb, tuple(_permitted(kind, held, verb, options, one) for one in found), options)


def hidden(
    kind: Kind,
    environment: Environment,
    actor: Actor,
    verb: Verb,
    ids: Sequence[str],
    options: Mapping[str, Any],
) -> set[str]:
    """Those of the targets that are not there for this actor."""
    if access.permissions(actor, environment).sees_everything:
        return set()
    candidates = make(kind, environment, actor, verb, ids, options).candidates
    return {one.id for one in candidates if one.left_out == LeftOut.GONE}


def _permitted(kind: Kind, held: Held, verb: Verb, options: Mapping[str, Any], one: Candidate) -> Candidate:
    """As it was judged, unless it is not for this actor: then it is left out, and not there if they do not see it."""
    facets = kind.facets_of(one)
    # Whoever may only request it holds nothing of it yet: whoever approves decides.
    permission = verb.permission if verb.permission in held else Permission.VIEW
    if facets is None or one.left_out == LeftOut.GONE or held.covers(permission, facets):
        aim = Facets(options["queue"], facets.task) if facets and options.get("queue") else None
        if aim is None or held.covers(permission, aim):
            return one
    if not held.covers(Permission.VIEW, facets or Facets()):
        return Candidate(one.id, "", "", left_out=LeftOut.GONE, why=str(kind.gone))
    why = gettext("You may not %(permission)s of this queue or this name.") % {"permission": verb.permission.label}
    return replace(one, left_out=LeftOut.NOT_PERMITTED, why=why, waits=False)


def _age(pk: str) -> tuple[int, str]:
    """The longer a number, and the higher, the younger is what it belongs to."""
    return len(pk), pk


def paced(options: Mapping[str, Any]) -> bool:
    return bool(options.get("rate") or options.get("stop_after"))


def chunk_size(options: Mapping[str, Any], total: int = 0) -> int:
    """A second's worth of the pace, and no more than may fail before it stops."""
    most = min(CHUNK, max(options.get("stop_after") or CHUNK, -(-total // COMMANDS)))
    return max(1, min(most, int(options.get("rate") or most)))
