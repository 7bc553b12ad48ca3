"""How operations find what they are about: upper apps register who knows their kind of target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import UUID

from z4j_core.sealed import Sealed

from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: Targets that one operation takes.
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target as an agent knows it. `final` is the state it has ended in, empty while it goes on."""

    id: str
    task_id: str
    name: str = ""
    queue: str = ""
    worker: str = ""
    vault: str = ""
    final: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target that was chosen, and what is to be done about it: asked of `audience`, None for whoever can, or left
    out and why. `part`: which worker, when one target is asked of several. `facets`: what people sort it by. `size`:
    how much it is, where a target is more than one. `identity`: its task id, name, queue and worker, as the agent will
    know it. `asks` and `params`: the verb of agents and what it takes, where those are this one's own. `within`: no
    agent is asked, the brain does it itself when the action takes effect.
    """

    id: str
    label: str
    engine: str
    audience: UUID | None = None
    part: str = ""
    left_out: LeftOut | None = None
    why: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    size: int = 1
    waits: bool = False
    identity: tuple[str, str, str, str] = ("", "", "", "")
    asks: str = ""
    params: Mapping[str, Any] | None = None
    within: bool = False


class Kind(Protocol):
    """One kind of target. Of two ids, the shorter or lower is the older."""

    name: ClassVar[str]
    plural: ClassVar[str]

    @property
    def gone(self) -> StrOrPromise:
        """What is said of one that is not there."""

    def facets_of(self, one: Candidate) -> Facets | None:
        """What grants look at; None for a kind that they do not narrow."""

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        """The filter behind the address of a list in the panel."""

    def select(self, environment: Environment, actor: Actor, given: Mapping[str, Any], most: int) -> list[str]:
        """The ids of what a filter is about, at most so many; a Problem that points at what is wrong with it."""

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        """Those of the ids that exist here."""

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Mapping[str, Any]
    ) -> Iterable[Candidate]:
        """Each of the ids, judged, in their order; in a transaction, their rows locked."""

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        """Those of the targets that exist, by id."""

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        """Which of these ids of the engine's have been heard of."""

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        """The ids of the targets that are these: each an engine, and its own id."""


class UnknownKind(LookupError):
    """No app has registered this kind of target."""


#: By the ids of targets, what agents have sealed of them.
Sealing = Callable[[int, Collection[str]], dict[str, Sealed]]

_KINDS: dict[str, Kind] = {}
_SEALING: dict[str, Sealing] = {}


def register(kind: Kind) -> None:
    """Called in the `ready()` of the app that owns the kind."""
    _KINDS[kind.name] = kind


def kind(name: str) -> Kind:
    if name not in _KINDS:
        raise UnknownKind(name)
    return _KINDS[name]


def seals(name: str, sealing: Sealing) -> None:
    """Of targets of this kind the agents' sealed originals are kept here, to be handed back. Called in `ready()`."""
    _SEALING[name] = sealing


def sealed(name: str, environment_id: int, ids: Collection[str]) -> dict[str, Sealed]:
    """The sealed originals that are kept of these targets."""
    return _SEALING[name](environment_id, ids) if name in _SEALING else {}


def resolve(name: str, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
    return kind(name).resolve(environment_id, ids)
