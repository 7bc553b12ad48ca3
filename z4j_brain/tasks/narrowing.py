"""What a list of tasks is about, whoever asked for it, and the ways that lead there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Q

from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import textindex, values
from z4j_brain.tasks.spans import Bounds
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.walk import Among, By, Column, Condition, Place, Way
from z4j_brain.tasks.words import ARGUMENT, MESSAGE, TYPE

#: Names that one search takes in.
MATCHES = 50
#: Rows that one look-up by ids may find.
SAME_ID = 1_000
#: Ids that begin alike are looked for among so many that sort after the beginning.
NEAR = 200
#: Indexes in the order in which they are taken: what usually leaves fewest rows first.
_ORDER: tuple[Column, ...] = ("parent_id", "retry_of", "group_id", "issue", "error_type", "state", "name", "queue")
#: What may be the beginning of an id, as lists and logs shorten them.
_SHORT_ID = re.compile(r"[0-9a-f][0-9a-f-]{5,}")
_AROUND = " \t\r\n\"'`“”‘’«»<>()[]{},;"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """`equal`: columns, each with the values it may have. `ids`: these tasks only. `search`: what was typed."""

    equal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other: Q = field(default_factory=Q)
    bounds: Bounds = field(default_factory=Bounds)
    search: str = ""
    ids: tuple[int, ...] | None = None
    looked_up: tuple[Among, tuple[str, ...]] | None = field(default=None, compare=False)

    def without(self, column: str) -> Narrowing:
        return replace(self, equal={name: wanted for name, wanted in self.equal.items() if name != column})


@dataclass(frozen=True, slots=True)
class Plan:
    """The ways to walk, and what is tried on each row."""

    ways: tuple[Way, ...]
    condition: Condition


def plan(environment: Environment, wanted: Narrowing, place: Place, *, payload: bool) -> Plan:
    """How to find these tasks. With `payload`, the search covers what that permission guards."""
    if wanted.ids is not None:
        return Plan((Among(wanted.ids),), _condition(wanted, wanted.equal))
    if wanted.search:
        ids, names = _once(environment, wanted, place, payload=payload)
        if ids.ids:
            return Plan((ids, *(By("name", name) for name in names)), _condition(wanted, wanted.equal))
        narrowed = [name for name in names if name in wanted.equal.get("name", names)]
        wanted = replace(wanted, equal={**wanted.equal, "name": tuple(narrowed)})
    column = _column(wanted.equal)
    if not column:
        return Plan((By(),), _condition(wanted, wanted.equal))
    rest = {name: values for name, values in wanted.equal.items() if name != column}
    return Plan(tuple(By(column, value) for value in wanted.equal[column]), _condition(wanted, rest))


def looked_up(environment: Environment, wanted: Narrowing, *, payload: bool) -> Narrowing:
    """The same, with its search looked up: for a page that both lists and counts."""
    if not wanted.search or wanted.ids is not None:
        return wanted
    ids, names = searched(environment, wanted.search, Place(), payload=payload)
    return replace(wanted, looked_up=(ids, tuple(names)))


def _once(environment: Environment, wanted: Narrowing, place: Place, *, payload: bool) -> tuple[Among, Sequence[str]]:
    """What was looked up holds for any place, unless there is more than was considered."""
    known = wanted.looked_up
    if known and (known[0].edge is None or place.start is None):
        return known
    return searched(environment, wanted.search, place, payload=payload)


def searched(environment: Environment, text: str, place: Place, *, payload: bool) -> tuple[Among, list[str]]:
    """The task with this id, or those whose id begins so; failing that, names that begin with the text, or contain it,
    and tasks in whose texts its words occur.
    """
    if ids := identified(environment, text):
        return Among(ids), []
    wanted, known = text.lower(), [(name, name.lower()) for name in values.names(environment)]
    begin = [name for name, lower in known if lower.startswith(wanted)]
    names = (begin or [name for name, lower in known if wanted in lower])[:MATCHES]
    if not names and (begun := values.begun_by(environment, text, NEAR)):
        return Among(begun), []
    return textindex.matches(environment.pk, text, _searchable(environment, payload=payload), place), names


def too_wide(environment: Environment, text: str) -> bool:
    """Does a search for it leave out some of the names that have it in them?"""
    return sum(text.lower() in name.lower() for name in values.names(environment)) > MATCHES


def _searchable(environment: Environment, *, payload: bool) -> tuple[str, ...]:
    """The classes of words that a search covers."""
    if not payload:
        return (TYPE,)
    return (TYPE, MESSAGE, ARGUMENT) if environment.search_arguments else (TYPE, MESSAGE)


def identified(environment: Environment, text: str) -> tuple[int, ...]:
    """Tasks by what may be an id as it is pasted: whole, or its first characters."""
    bare = text.strip(_AROUND)
    if not bare:
        return ()
    if found := values.with_task_id(environment, list(dict.fromkeys([bare, bare.lower(), text])), SAME_ID):
        return found
    return values.begun_by(environment, bare.lower(), NEAR) if _SHORT_ID.fullmatch(bare.lower()) else ()


def _column(equal: Mapping[str, Sequence[str]]) -> Column:
    for column in _ORDER:
        wanted = equal.get(column)
        if wanted is not None and len(wanted) <= MATCHES and not (column == "state" and TaskState.SUCCEEDED in wanted):
            return column
    return "state" if equal.get("state") == (TaskState.SUCCEEDED,) and len(equal) == 1 else ""


def _condition(wanted: Narrowing, equal: Mapping[str, Sequence[str]]) -> Condition:
    same = Q(**{f"{name}__in": list(wanted) for name, wanted in equal.items()})
    return Condition.of(same & wanted.other & wanted.bounds.condition)
