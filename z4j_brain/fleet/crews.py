"""Workers as their page shows them: grouped by what they have in common, and slots by how long a task runs already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER, Presence
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import Worker
from z4j_brain.lib.bulk import EPOCH
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import queries as stats
from z4j_brain.stats.spans import Span

#: How long a worker that is gone stands on the page by itself.
LATELY = timedelta(hours=1)
#: Workers of one group that the page shows, the busiest first; of all groups together, if these are few; and groups.
SHOWN, TOGETHER, GROUPS = 12, 24, 15
#: Workers that are gone.
GONE = 10
#: What "longer than usual" is taken from, and how long a task must run to be called so at all.
USUAL, LONG = "24h", timedelta(seconds=10)
#: What workers may be grouped by, and how that is read off one of them.
BY: dict[str, Callable[[Worker], str]] = {
    "code": lambda worker: worker.code,
    "engine": lambda worker: worker.engine,
    "host": lambda worker: worker.host,
}

Usual = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Run:
    """One task in a slot. `usual_ms`: all but one in twenty of that name are over by then, in the last day."""

    task_id: str
    name: str
    began: datetime | None
    usual_ms: float | None

    @property
    def age(self) -> timedelta | None:
        return None if self.began is None else max(timezone.now() - self.began, timedelta())

    @property
    def is_slow(self) -> bool:
        age = self.age
        if age is None or self.usual_ms is None or age < LONG:
            return False
        return age > timedelta(milliseconds=self.usual_ms)


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker with what it runs, what runs longest first."""

    worker: Worker
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that answer and have something in common. `newer`: when newer code began to run on their engine."""

    key: str
    hands: tuple[Hand, ...]
    count: int
    since: datetime | None
    newest: bool = False
    newer: datetime | None = None


def crews(workers: Iterable[Worker], by: str, usual: Usual) -> list[Crew]:
    """The newest code first; engines and hosts by name."""
    groups: dict[str, list[Worker]] = defaultdict(list)
    for worker in workers:
        groups[BY[by](worker)].append(worker)
    each = max(1, min(SHOWN, TOGETHER // max(min(len(groups), GROUPS), 1)))
    newer = {key: _newer(group, groups) if by == "code" else None for key, group in groups.items()}
    made = [_crew(key, group, usual, newer[key], each) for key, group in groups.items()]
    if by != "code":
        return sorted(made, key=lambda crew: (crew.key == "", crew.key))
    made.sort(key=lambda crew: (bool(crew.key), crew.since or EPOCH), reverse=True)
    named = sum(bool(crew.key) for crew in made)
    return [_as_newest(crew) if not at and named > 1 and crew.key else crew for at, crew in enumerate(made)]


def hands(workers: Iterable[Worker], usual: Usual) -> tuple[Hand, ...]:
    return tuple(Hand(worker, runs(worker, usual)) for worker in workers)


def runs(worker: Worker, usual: Usual) -> tuple[Run, ...]:
    found = (_run(worker.engine, entry, usual) for entry in worker.running)
    return tuple(sorted(found, key=lambda run: run.began or timezone.now()))


def usual(environment: Environment, workers: Iterable[Worker]) -> Usual:
    """How long tasks of the names that run now usually take, milliseconds, in one query."""
    names = {str(entry.get("name") or "") for worker in workers for entry in worker.running} - {""}
    if not names:
        return {}
    found = stats.of_names(environment.pk, Span.recent(USUAL, timezone.now()), names)
    return {key: totals.runtime_ms.p95 for key, totals in found.items() if totals.runtime_ms.p95 is not None}


def lately(actor: Actor, environment: Environment) -> list[Worker]:
    """Workers heard in the last hour, those heard last first."""
    since = timezone.now() - LATELY
    return list(
        queries.workers(actor, environment).filter(heartbeat_at__gte=since).order_by("-heartbeat_at")[: queries.WORKERS]
    )


def gone(actor: Actor, environment: Environment) -> QuerySet[Worker]:
    """Workers that do not answer any more, as long as they are kept."""
    silent = Q(heartbeat_at__lt=timezone.now() - SILENT_AFTER)
    return queries.workers(actor, environment).filter(silent | Q(offline_at__isnull=False))


def of(workers: QuerySet[Worker], by: str, key: str) -> QuerySet[Worker]:
    """Those of one group."""
    if by != "code":
        return workers.filter(**{by: key})
    return workers.filter(facts__code=key) if key else workers.filter(facts__code__isnull=True)


def _crew(key: str, group: Sequence[Worker], usual: Usual, newer: datetime | None, each: int) -> Crew:
    busiest = sorted(group, key=lambda worker: (-len(worker.running), worker.name))
    return Crew(key, hands(busiest[:each], usual), len(group), _since(group), newer=newer)


def _as_newest(crew: Crew) -> Crew:
    return Crew(crew.key, crew.hands, crew.count, crew.since, newest=crew.newer is None, newer=crew.newer)


def _since(group: Iterable[Worker]) -> datetime | None:
    """When the first of those that run now started: for code, when it was deployed."""
    return min((worker.started_at for worker in group if worker.started_at), default=None)


def _newer(group: Sequence[Worker], groups: Mapping[str, Sequence[Worker]]) -> datetime | None:
    """When code newer than that of this group began to run on one of its engines; None when theirs is the newest."""
    here, engines = _since(group), {worker.engine for worker in group}
    if here is None or not group[0].code:
        return None
    others = (
        _since([worker for worker in other if worker.engine in engines])
        for code, other in groups.items()
        if code and code != group[0].code
    )
    return max((since for since in others if since and since > here), default=None)


def _run(engine: str, entry: Mapping[str, object], usual: Usual) -> Run:
    name, started = str(entry.get("name") or ""), entry.get("started")
    began = EPOCH + timedelta(microseconds=started) if isinstance(started, int) else None
    return Run(str(entry.get("task_id") or ""), name, began, usual.get((engine, name)))


def counted(workers: Iterable[Worker]) -> tuple[int, int, int]:
    """How many workers answer, how many of their slots are busy, and how many they have."""
    online = [worker for worker in workers if worker.state == Presence.ONLINE]
    return len(online), sum(len(worker.running) for worker in online), sum(worker.size for worker in online)
