"""What can be asked for of targets, in the words of people: each app that has targets says what its own can take.

A verb is the name of an action, the agent's verb that it becomes, and all that a person is told before they ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from z4j_brain.lib.words import uncapped
from z4j_brain.operations.options import Options
from z4j_brain.rbac.guarded import on_targets
from z4j_brain.rbac.states import Permission

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Verb:
    """`name`: of the action. `asks`: the verb of agents. `done`: what it is then. `stays`: the button for no.

    `bound`: it is about one worker, and no other may carry it out. `undoable`: what it made can be taken back.
    `danger`: what it does cannot be taken back; then the number of what goes has to be typed (`typed`), and a person
    has to have shown within ten minutes that it is them (`fresh`). `sole`: of one target at a time, and never without a
    reason.
    """

    name: str
    asks: str
    kind: str
    permission: Permission
    label: StrOrPromise
    promise: StrOrPromise
    done: StrOrPromise = gettext_lazy("Done")
    stays: StrOrPromise = gettext_lazy("Leave as it is")
    icon: str = ""
    options: type[Options] = Options
    bound: bool = False
    undoable: bool = False
    danger: bool = False
    typed: bool = False
    fresh: bool = False
    sole: bool = False

    @property
    def verb(self) -> str:
        """As it stands in the middle of a sentence."""
        return uncapped(self.label)

    @property
    def word(self) -> str:
        """As it stands in an address."""
        return self.name.partition(".")[2]


_VERBS: dict[str, Verb] = {}


def register(*verbs: Verb) -> None:
    """Called in the `ready()` of the app that owns the targets."""
    _VERBS.update({verb.name: verb for verb in verbs})
    on_targets(*(verb.name for verb in verbs))


def find(name: str) -> Verb | None:
    return _VERBS.get(name)


def names() -> list[str]:
    return sorted(_VERBS)


def of_kind(kind: str) -> list[Verb]:
    return [verb for verb in _VERBS.values() if verb.kind == kind]
