"""Which agent sends what is due, and how much of it with one command."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from z4j_core.verbs import RUN_EACH

from z4j_brain.agents import queries as agents
from z4j_brain.fleet.repertoires import Knowing
from z4j_brain.operations import outbox
from z4j_brain.rbac.models import Environment

RUN: Final = "run"
#: Tasks that one command has sent, and characters of all their arguments together.
MOST, ROOM = 50, 64 * 1024


@dataclass(frozen=True, slots=True)
class Load:
    """What one command carries: the numbers of its items, with the parameters of each."""

    engine: str
    audience: UUID | None
    items: Mapping[int, Mapping[str, Any]]

    @property
    def verb(self) -> str:
        return RUN_EACH if len(self.items) > 1 else RUN

    @property
    def params(self) -> dict[str, Any]:
        if self.verb == RUN_EACH:
            return {"each": {str(item): dict(given) for item, given in self.items.items()}}
        [given] = self.items.values()
        return dict(given)


class Carriers:
    """The worker agents that answer, by the engines of what is due."""

    def __init__(self, environment: Environment, engines: Collection[str]) -> None:
        offered: dict[str, set[tuple[str, UUID]]] = defaultdict(set)
        for agent in agents.workers(environment).order_by("-seen_at").only("engines", "allowed")[: agents.ASKED]:
            for engine, verb in outbox.offers(agent):
                offered[verb].add((engine, agent.pk))
        self._able, self._many = offered[RUN], offered[RUN_EACH]
        self._knowing = Knowing(environment, engines)

    def loads(self, going: Iterable[tuple[int, str, str, Mapping[str, Any]]]) -> Iterator[Load]:
        """`going`: the number of an item, the engine, the name of the task and what to run it with. An agent from
        before `run_each` is asked for one at a time.
        """
        ways: dict[tuple[str, UUID | None], dict[int, Mapping[str, Any]]] = defaultdict(dict)
        for item, engine, task, given in going:
            ways[engine, self._knowing.agent(engine, task, self._able)][item] = given
        for (engine, audience), items in ways.items():
            for some in _fitting(items, MOST if self._takes_many(engine, audience) else 1):
                yield Load(engine, audience, some)

    def _takes_many(self, engine: str, audience: UUID | None) -> bool:
        return any(engine == one and audience in (None, agent) for one, agent in self._many)


def _fitting(items: Mapping[int, Mapping[str, Any]], most: int) -> Iterator[dict[int, Mapping[str, Any]]]:
    some: dict[int, Mapping[str, Any]] = {}
    size = 0
    for item, given in items.items():
        more = len(json.dumps(given))
        if some and (len(some) >= most or size + more > ROOM):
            yield some
            some, size = {}, 0
        some[item], size = given, size + more
    if some:
        yield some
