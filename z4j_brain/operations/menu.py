"""What can be asked of one row of a list: a verb an entry, with the reason where it cannot be asked just now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from z4j_brain.agents.queries import Offer
from z4j_brain.operations.serving import obstacle
from z4j_brain.operations.verbs import Verb, of_kind
from z4j_brain.rbac.states import Permission

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Entry:
    """`reason`: why it cannot be asked; empty when it can. `note`: what its engine does then."""

    verb: Verb
    reason: str = ""
    note: str = ""

    @property
    def label(self) -> StrOrPromise:
        return self.verb.label


@dataclass(frozen=True, slots=True)
class Barred:
    """What cannot be asked for the same reason, as one line of a menu."""

    label: str
    reason: str


def lines(entries: Iterable[Entry]) -> list[Entry | Barred]:
    found: list[Entry | Barred] = []
    for reason, group in groupby(entries, key=lambda entry: entry.reason):
        some = list(group)
        found += [Barred(", ".join(str(entry.label) for entry in some), reason)] if reason else some
    return found


def entries(
    kind: str, engine: str, held: Iterable[Permission], offer_of: Callable[[str], Offer], without: Iterable[str] = ()
) -> list[Entry]:
    """The verbs on a kind of target that somebody may ask for, in their order. What may never be asked is left out."""
    permitted, hidden = set(held), set(without)
    return [
        _entry(verb, engine, offer_of(verb.asks))
        for verb in of_kind(kind)
        if verb.permission in permitted and verb.asks not in hidden
    ]


def _entry(verb: Verb, engine: str, offer: Offer) -> Entry:
    blocked = obstacle(engine, verb.asks, verb.label, offer)
    return Entry(verb, blocked[1] if blocked else "", offer.note)
