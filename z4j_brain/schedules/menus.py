"""What can be asked of schedules, row by row: judged as the operation itself will judge it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from z4j_brain.operations.menu import Entry
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import access
from z4j_brain.rbac.access import Held
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets
from z4j_brain.schedules import judged
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.verbs import BULK, DELETE, DISABLE, EDIT, ENABLE, RUN

#: In their order.
_OFFERED = (RUN, ENABLE, DISABLE, EDIT, DELETE)


def of(actor: Actor, environment: Environment, rows: Sequence[Schedule]) -> dict[int, list[Entry]]:
    """By the keys of the schedules: every verb that the reader may ask for of this one, with why it cannot be done."""
    held, able = access.permissions(actor, environment), judged.capabilities(actor, environment, rows)
    return {
        row.pk: [
            Entry(verb, able[row.pk][verb.word].why, able[row.pk][verb.word].note)
            for verb in _OFFERED
            if _may(held, verb, row) and not (verb is EDIT and row.source == OWN)  # which has a page of its own
        ]
        for row in rows
    }


def short(schedule: Schedule, entries: Iterable[Entry]) -> list[Entry]:
    """For a row of a list: without what makes no sense as it is."""
    idle = ENABLE if schedule.enabled else DISABLE
    return [entry for entry in entries if entry.verb is not idle and not (entry.verb is EDIT and entry.reason)]


def bulk(held: Held) -> list[Verb]:
    """What a list offers for those of it that are ticked."""
    return [verb for verb in BULK if verb.permission in held]


def _may(held: Held, verb: Verb, row: Schedule) -> bool:
    return verb.permission in held and held.covers(verb.permission, Facets(row.queue, row.task))
