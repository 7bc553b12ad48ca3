"""Who can run which task. Two programs may share an engine here, and neither knows the tasks of the other."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection
from functools import cache
from typing import Any
from uuid import UUID

from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.fleet.models import Repertoire
from z4j_brain.fleet.queries import WORKERS
from z4j_brain.rbac.models import Environment

#: Targets on end that one of several agents is asked for, before it is the next one's turn.
STRIDE = 100


def columns(names: Collection[str]) -> dict[str, Any]:
    """What is kept of the names that a worker told."""
    told = sorted(names)
    return {"names": told, "digest": hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()}


class Knowing:
    """The agents of workers that answer, by the tasks they know. For use behind a decision.

    Workers of one program know the same, so that the names are read once, however many there are.
    """

    def __init__(self, environment: Environment, engines: Collection[str]) -> None:
        rows = Repertoire.objects.filter(
            worker__environment=environment,
            worker__engine__in=set(engines),
            worker__offline_at=None,
            worker__heartbeat_at__gte=timezone.now() - SILENT_AFTER,
            worker__agent__isnull=False,
        ).order_by("worker_id")
        self._agents: dict[str, dict[str, list[UUID]]] = defaultdict(lambda: defaultdict(list))
        one_of: dict[str, int] = {}
        for pk, engine, agent, digest in rows.values_list("pk", "worker__engine", "worker__agent", "digest")[:WORKERS]:
            self._agents[engine][digest].append(agent)
            one_of.setdefault(digest, pk)
        several = {digest for known in self._agents.values() if len(known) > 1 for digest in known}
        told = Repertoire.objects.filter(pk__in=[one_of[digest] for digest in several])
        self._names = {digest: frozenset(names) for digest, names in told.values_list("digest", "names")}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._holders = cache(self._who_holds)

    def agent(self, engine: str, name: str, able: Collection[tuple[str, UUID]]) -> UUID | None:
        """One that knows the task where others do not, and is among `able`; None: any will do, or nobody knows."""
        suited = [one for one in self._holders(engine, name) if (engine, one) in able]
        turn = self._asked[engine, name] // STRIDE
        self._asked[engine, name] += 1
        return suited[turn % len(suited)] if suited else None

    def _who_holds(self, engine: str, name: str) -> list[UUID]:
        """None where all know it."""
        known = self._agents.get(engine, {})
        if len(known) < 2:
            return []
        holders = [agent for digest, agents in known.items() if name in self._names.get(digest, ()) for agent in agents]
        return holders if len(holders) < sum(map(len, known.values())) else []
