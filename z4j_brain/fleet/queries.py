"""The workers of an environment and what runs on them, its queues and who takes from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: How long a worker that fell silent is news.
RECENT = timedelta(days=1)
#: Workers that one page or one question takes in.
WORKERS = 1_000


@dataclass(frozen=True, slots=True)
class Serving:
    """The workers that answer and take from one queue, and those of them that were told not to."""

    workers: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()

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


def serving(actor: Actor, environment: Environment, found: Iterable[Queue]) -> dict[int, Serving]:
    """For each of these queues, by its key, who takes from it."""
    taking: dict[tuple[str, str], list[Worker]] = defaultdict(list)
    for worker in online(actor, environment).order_by("-heartbeat_at")[:WORKERS]:
        for name in worker.queues:
            taking[worker.engine, name].append(worker)
    return {queue.pk: _serving(queue, taking[queue.engine, queue.name]) for queue in found}


def _serving(queue: Queue, takers: list[Worker]) -> Serving:
    paused = [worker.name for worker in takers if queue.name in worker.paused]
    return Serving(tuple(worker.name for worker in takers), tuple(paused))
