"""The workers of an environment and what runs on them, its queues and who takes from them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, QuerySet, Sum
from django.http import Http404
from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER, Presence
from z4j_brain.fleet.models import Depth, Queue, Registered, Worker
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.stats.queries import Point

#: How long a worker that fell silent is news.
RECENT = timedelta(days=1)
#: Workers that one page or one question takes in.
WORKERS = 1_000
#: Workers of one machine that a page tells of.
NEIGHBOURS = 8
#: Measurements of one queue that a chart takes in.
MEASURED = 3_000


@dataclass(frozen=True, slots=True)
class Serving:
    """The workers that answer and take from one queue, those of them that were told not to, and their slots."""

    workers: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    busy: int = 0
    slots: int = 0

    @property
    def is_paused(self) -> bool:
        return bool(self.paused) and len(self.paused) == len(self.workers)


def workers(actor: Actor, environment: Environment) -> QuerySet[Worker]:
    return rbac.within(Worker.objects.select_related("agent"), actor, environment)


def detail(actor: Actor, environment: Environment, pk: int) -> Worker:
    found = workers(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def by_name(actor: Actor, environment: Environment, engine: str, name: str) -> Worker | None:
    """The worker that a task names as its own."""
    return workers(actor, environment).filter(engine=engine, name=name).first()


def online(actor: Actor, environment: Environment) -> QuerySet[Worker]:
    """Workers heard within the last minute."""
    since = timezone.now() - SILENT_AFTER
    return workers(actor, environment).filter(offline_at=None, heartbeat_at__gte=since)


def answering(environment: Environment) -> list[Worker]:
    """The workers that answer, with their agents. For use behind a decision: it asks for no actor."""
    since = timezone.now() - SILENT_AFTER
    rows = Worker.objects.filter(environment=environment, offline_at=None, heartbeat_at__gte=since)
    return list(rows.select_related("agent").order_by("-heartbeat_at")[:WORKERS])


def queues(actor: Actor, environment: Environment) -> QuerySet[Queue]:
    """The queues that agents have measured."""
    return rbac.within(Queue.objects.all(), actor, environment)


def queue(actor: Actor, environment: Environment, pk: int) -> Queue:
    found = queues(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def totals(actor: Actor, environment: Environment) -> dict[str, int]:
    """How many queues there are, and what they hold together."""
    return queues(actor, environment).aggregate(
        count=Count("pk"), waiting=Sum("depth", default=0), dead=Sum("dead", default=0)
    )


def takers(actor: Actor, environment: Environment, queue: Queue) -> list[Worker]:
    """The workers that answer and take from one queue, the busiest first."""
    found = online(actor, environment).filter(engine=queue.engine).order_by("name")[:WORKERS]
    return sorted((worker for worker in found if queue.name in worker.queues), key=lambda one: -len(one.running))


def of_worker(actor: Actor, environment: Environment, worker: Worker) -> list[tuple[str, Queue | None]]:
    """The queues that a worker takes from, each as it was measured, if it was."""
    found = queues(actor, environment).filter(engine=worker.engine, name__in=worker.queues)
    by_name = {queue.name: queue for queue in found}
    return [(name, by_name.get(name)) for name in worker.queues]


def on_host(actor: Actor, environment: Environment, host: str) -> list[Worker]:
    """The workers of one machine, those that started last first: what was deployed there, and when."""
    found = workers(actor, environment).filter(host=host).order_by(F("started_at").desc(nulls_last=True), "name")
    return list(found[:NEIGHBOURS])


def depths(queue: Queue, points: Sequence[Point]) -> list[int | None]:
    """The most that waited in a queue in each of these pieces, as far as it was measured then."""
    starts = [int(point.start.timestamp()) for point in points]
    found: list[int | None] = [None] * len(starts)
    rows = Depth.objects.filter(queue=queue, start__gte=starts[0], start__lt=int(points[-1].end.timestamp()))
    for start, depth in rows.values_list("start", "depth").order_by("start")[:MEASURED]:
        at = bisect_right(starts, start) - 1
        found[at] = max(found[at] or 0, depth)
    return found


def registrations(actor: Actor, environment: Environment) -> QuerySet[Registered]:
    """The task names that workers said they know."""
    return rbac.within(Registered.objects.all(), actor, environment)


def registered(environment: Environment, engine: str, name: str) -> Registered | None:
    """What workers said of one task name. For use behind a decision: it asks for no actor."""
    return Registered.objects.filter(environment=environment, engine=engine, name=name).first()


def signature_of(environment: Environment, engine: str, name: str) -> list[list[Any]] | None:
    """The parameters of a task's function; None where nobody said. For use behind a decision."""
    known = registered(environment, engine, name)
    params: list[list[Any]] | None = known.params if known else None
    return params


def agents_of(environment: Environment, workers: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """The agents of workers by engine and name. For use behind a decision."""
    if not workers:
        return {}
    engines, names = {engine for engine, _ in workers}, {name for _, name in workers}
    rows = Worker.objects.filter(environment=environment, engine__in=engines, name__in=names).exclude(agent=None)
    found = rows.values_list("engine", "name", "agent_id")[:WORKERS]
    return {(engine, name): agent for engine, name, agent in found if agent and (engine, name) in workers}


def heard(actor: Actor, environment: Environment) -> list[Worker]:
    """The workers that were heard last, whether they answer or not; without their agents."""
    return list(workers(actor, environment).select_related(None).order_by("-heartbeat_at")[:WORKERS])


def serving(found: Iterable[Queue], workers: Iterable[Worker]) -> dict[int, Serving]:
    """For each of these queues, by its key, who takes from it, of these workers those that answer."""
    taking: dict[tuple[str, str], list[Worker]] = defaultdict(list)
    for worker in (worker for worker in workers if worker.state == Presence.ONLINE):
        for name in worker.queues:
            taking[worker.engine, name].append(worker)
    return {queue.pk: _serving(queue, taking[queue.engine, queue.name]) for queue in found}


def _serving(queue: Queue, takers: list[Worker]) -> Serving:
    paused = [worker.name for worker in takers if queue.name in worker.paused]
    busy, slots = sum(len(worker.running) for worker in takers), sum(worker.size for worker in takers)
    return Serving(tuple(worker.name for worker in takers), tuple(paused), busy, slots)
