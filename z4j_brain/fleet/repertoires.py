"""Who can run which task. Two programs may share an engine here, and neither knows the tasks of the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from uuid import UUID

from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.fleet.models import Repertoire
from z4j_brain.fleet.queries import WORKERS
from z4j_brain.rbac.models import Environment

#: Targets on end that one of several agents is asked for, before it is the next one's turn.
STRIDE = 100


class Knowing:
    """The agents of workers that answer, by the tasks they know. For use behind a decision."""

    def __init__(self, environment: Environment, engines: Collection[str]) -> None:
        rows = Repertoire.objects.filter(
            worker__environment=environment,
            worker__engine__in=set(engines),
            worker__offline_at=None,
            worker__heartbeat_at__gte=timezone.now() - SILENT_AFTER,
            worker__agent__isnull=False,
        ).order_by("worker_id")
        self._agents: dict[str, set[UUID]] = defaultdict(set)
        self._knowing: dict[tuple[str, str], list[UUID]] = defaultdict(list)
        self._asked: Counter[tuple[str, str]] = Counter()
        for engine, agent, names in rows.values_list("worker__engine", "worker__agent", "names")[:WORKERS]:
            self._agents[engine].add(agent)
            for name in names:
                self._knowing[engine, name].append(agent)

    def agent(self, engine: str, name: str, able: Collection[tuple[str, UUID]] | None = None) -> UUID | None:
        """One that knows the task where others do not, and is among `able`; None: any will do, or nobody knows."""
        holders = self._knowing.get((engine, name), [])
        if not holders or len(set(holders)) == len(self._agents[engine]):
            return None
        suited = [one for one in holders if able is None or (engine, one) in able]
        turn = self._asked[engine, name] // STRIDE
        self._asked[engine, name] += 1
        return suited[turn % len(suited)] if suited else None
