"""How operations find what they are about: upper apps register who knows their kind of target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target as an agent knows it. `final` is the state it has ended in, empty while it goes on."""

    id: str
    task_id: str
    name: str = ""
    queue: str = ""
    vault: str = ""
    final: str = ""


class Resolver(Protocol):
    def __call__(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        """Those of the targets that exist, by id."""


class UnknownKind(LookupError):
    """No app has registered this kind of target."""


_RESOLVERS: dict[str, Resolver] = {}


def register(kind: str, resolver: Resolver) -> None:
    """Called in the `ready()` of the app that owns the kind."""
    _RESOLVERS[kind] = resolver


def resolve(kind: str, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
    if kind not in _RESOLVERS:
        raise UnknownKind(kind)
    return _RESOLVERS[kind](environment_id, ids)
