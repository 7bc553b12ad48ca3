"""Queues, workers and registered tasks as targets of operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.db import connection
from django.db.models import Model, QuerySet

from z4j_brain.agents import queries as agents
from z4j_brain.agents.queries import Offer
from z4j_brain.fleet import queries
from z4j_brain.fleet.filters import QueueFilter, RegisteredFilter, WorkerFilter
from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.fleet.repertoires import Knowing
from z4j_brain.fleet.verbs import GROW, ONLY, PAUSE, QUEUE, REGISTERED, RESUME, SHRINK, WORKER
from z4j_brain.lib import signature
from z4j_brain.lib.ids import numbers
from z4j_brain.lib.listing import StrictFilterSet
from z4j_brain.operations import options as choices
from z4j_brain.operations import outbox
from z4j_brain.operations import queries as operations
from z4j_brain.operations.models import Operation
from z4j_brain.operations.serving import Serving, obstacle
from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.targets import Candidate, Resolved
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.reach import Facets

Options = Mapping[str, Any]
Verdict = tuple[LeftOut, str] | None
_OPPOSITE = {
    PAUSE.name: (RESUME.name,),
    RESUME.name: (PAUSE.name,),
    GROW.name: (SHRINK.name,),
    SHRINK.name: (GROW.name,),
}
_GONE = "It is no longer known here."


class _Rows:
    """Rows of one model by their ids, as text."""

    model: ClassVar[type[Model]]
    filters: ClassVar[type[StrictFilterSet]]
    gone: ClassVar[str] = _GONE

    def facets_of(self, one: Candidate) -> Facets | None:
        return None

    def of_address(self, query: Mapping[str, str]) -> dict[str, str]:
        return dict(query)

    def select(self, environment: Environment, actor: Actor, given: Mapping[str, Any], most: int) -> list[str]:
        told = {
            name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in given.items()
        }
        here = rbac.within(self._here(environment), actor, environment)
        narrowed = self.filters(told, here, environment=environment).narrowed()
        return [str(pk) for pk in narrowed.order_by("pk").values_list("pk", flat=True)[:most]]

    def known(self, environment: Environment, ids: Sequence[str]) -> set[str]:
        return {str(pk) for pk in self._of(environment, ids).values_list("pk", flat=True)}

    def arrived(self, environment_id: int, engine: str, task_ids: Collection[str]) -> set[str]:
        return set()

    def of_engine(self, environment: Environment, made: Sequence[tuple[str, str]]) -> list[str]:
        return []

    def _here(self, environment: Environment | int) -> QuerySet[Any]:
        return self.model._default_manager.filter(environment=environment)

    def _of(self, environment: Environment | int, ids: Collection[str]) -> QuerySet[Any]:
        return self._here(environment).filter(pk__in=numbers(ids))

    def _held(self, environment: Environment, ids: Collection[str]) -> QuerySet[Any]:
        """In a transaction they are locked: of two who ask the same of them, the second sees what the first did."""
        found = self._of(environment, ids).order_by("pk")
        return found.select_for_update(of=("self",)) if connection.in_atomic_block else found


class Queues(_Rows):
    """A queue is paused and resumed on each worker that takes from it, and purged by one of them."""

    name: ClassVar[str] = QUEUE
    plural: ClassVar[str] = "queues"
    model = Queue
    filters = QueueFilter

    def facets_of(self, one: Candidate) -> Facets | None:
        return Facets(queue=one.label)

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Options
    ) -> Iterator[Candidate]:
        rows = {str(queue.pk): queue for queue in self._held(environment, ids)}
        takers = _takers(environment, options.get(ONLY)) if verb.bound else {}
        serving = Serving(environment, verb, pks={queue.agent_id for queue in rows.values() if queue.agent_id})
        asked = _open(environment, verb, ids, options)
        for pk in ids:
            queue = rows.get(pk)
            if queue is None:
                yield Candidate(pk, "", "", left_out=LeftOut.GONE, why=_GONE)
            elif not verb.bound:
                yield _asked(asked, pk, _by_one(queue, serving, options))
            elif workers := takers.get((queue.engine, queue.name)):
                yield from (_asked(asked, pk, _on(queue, worker, verb)) for worker in workers)
            else:
                why = f"No worker that answers takes from {queue.name}."
                yield _left(queue, pk, (LeftOut.NOBODY_TAKES, why))

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        return {str(row.pk): Resolved(str(row.pk), "", queue=row.name) for row in self._of(environment_id, ids)}


class Workers(_Rows):
    """What is asked of a worker only its own agent can do."""

    name: ClassVar[str] = WORKER
    plural: ClassVar[str] = "workers"
    model = Worker
    filters = WorkerFilter

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Options
    ) -> Iterator[Candidate]:
        rows = {str(worker.pk): worker for worker in self._held(environment, ids).select_related("agent")}
        asked = _open(environment, verb, ids, options)
        for pk in ids:
            worker = rows.get(pk)
            if worker is None:
                yield Candidate(pk, "", "", left_out=LeftOut.GONE, why=_GONE)
                continue
            verdict = _of_worker(worker, verb)
            waits = verdict is not None and verdict[0] == LeftOut.AGENT_OFFLINE and bool(options.get("wait"))
            facets = {"engine": worker.engine, "code": worker.code}
            found = Candidate(
                pk,
                worker.name,
                worker.engine,
                worker.agent_id,
                left_out=None if waits or verdict is None else verdict[0],
                why=verdict[1] if verdict else "",
                facets=facets,
                at=worker.started_at,
                waits=waits,
                identity=("", "", "", worker.name),
            )
            yield _asked(asked, pk, found)

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        return {
            str(row.pk): Resolved(str(row.pk), "", worker=row.name, final=outbox.ENDED if row.offline_at else "")
            for row in self._of(environment_id, ids)
        }


class Registrations(_Rows):
    """Task names that workers know: to be run with arguments of somebody's own."""

    name: ClassVar[str] = REGISTERED
    plural: ClassVar[str] = "registered tasks"
    model = Registered
    filters = RegisteredFilter

    def facets_of(self, one: Candidate) -> Facets | None:
        return Facets(task=one.label)

    def candidates(
        self, environment: Environment, actor: Actor, verb: Verb, ids: Sequence[str], options: Options
    ) -> Iterator[Candidate]:
        rows = {str(row.pk): row for row in self._of(environment, ids)}
        serving, knowing = Serving(environment, verb), Knowing(environment, {row.engine for row in rows.values()})
        for pk in ids:
            row = rows.get(pk)
            if row is None:
                yield Candidate(pk, "", "", left_out=LeftOut.GONE, why=_GONE)
                continue
            verdict = _misfit(row, options) or serving.obstacle(row.engine)
            waits = verdict is not None and verdict[0] == LeftOut.AGENT_OFFLINE and bool(options.get("wait"))
            facets = {"name": row.name, "engine": row.engine}
            yield Candidate(
                pk,
                row.name,
                row.engine,
                knowing.agent(row.engine, row.name, serving.those),
                left_out=None if waits or verdict is None else verdict[0],
                why=verdict[1] if verdict else "",
                facets=facets,
                waits=waits,
                identity=("", row.name, "", ""),
            )

    def resolve(self, environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
        return {str(row.pk): Resolved(str(row.pk), "", name=row.name) for row in self._of(environment_id, ids)}


def _takers(environment: Environment, only: Collection[int] | None) -> dict[tuple[str, str], list[Worker]]:
    """The workers that answer, by engine and the queues they take from; `only`: none but these."""
    found: dict[tuple[str, str], list[Worker]] = defaultdict(list)
    for worker in queries.answering(environment):
        if only is not None and worker.pk not in only:
            continue
        for name in {*worker.queues, *worker.paused}:
            found[worker.engine, name].append(worker)
    return found


def _open(
    environment: Environment, verb: Verb, ids: Sequence[str], options: Options
) -> dict[tuple[str, str], Operation]:
    """Targets of which the very same was asked last, and is waited for. A pause between two resumes is no resume."""
    newest = operations.asked_already(environment, (verb.name, *_OPPOSITE.get(verb.name, ())), ids)
    wanted = choices.params(verb.options, options)
    return {
        one: asked
        for one, asked in newest.items()
        if asked.action == verb.name and choices.params(verb.options, asked.options) == wanted
    }


def _asked(asked: Mapping[tuple[str, str], Operation], pk: str, found: Candidate) -> Candidate:
    """Left out, where somebody has asked the same and is still waiting for it."""
    before = asked.get((pk, found.part))
    if before is None:
        return found
    why = f"{before.actor_name} has asked for it already, in operation {before.pk}."
    return replace(found, left_out=LeftOut.ALREADY_ASKED, why=why, waits=False)


def _by_one(queue: Queue, serving: Serving, options: Options) -> Candidate:
    """Whoever measured it has its broker; failing that, whoever can."""
    verdict = serving.obstacle(queue.engine)
    if verdict is not None and not (verdict[0] == LeftOut.AGENT_OFFLINE and options.get("wait")):
        return _left(queue, str(queue.pk), verdict)
    audience = serving.able(queue.engine, queue.agent_id)
    return Candidate(
        str(queue.pk), queue.name, queue.engine, audience, facets={"engine": queue.engine}, size=queue.depth,
        at=queue.oldest_at, waits=verdict is not None, identity=("", "", queue.name, ""),
    )  # fmt: skip


def _on(queue: Queue, worker: Worker, verb: Verb) -> Candidate:
    """One worker's share in what is asked of a queue."""
    verdict = _of_worker(worker, verb)
    return Candidate(
        str(queue.pk),
        f"{queue.name} on {worker.name}",
        queue.engine,
        worker.agent_id,
        part=str(worker.pk),
        left_out=verdict[0] if verdict else None,
        why=verdict[1] if verdict else "",
        facets={"engine": queue.engine, "worker": worker.name},
        identity=("", "", queue.name, ""),
    )


def _left(queue: Queue, pk: str, verdict: tuple[LeftOut, str]) -> Candidate:
    return Candidate(pk, queue.name, queue.engine, left_out=verdict[0], why=verdict[1], size=queue.depth)


def _of_worker(worker: Worker, verb: Verb) -> Verdict:
    """What this very worker says to a verb."""
    offer = offer_of(worker, verb.asks)
    if not offer.online:
        return LeftOut.AGENT_OFFLINE, f"The agent of {worker.name} has not answered for 60 s."
    return obstacle(worker.engine, verb.asks, verb.label, offer)


def offer_of(worker: Worker, verb: str) -> Offer:
    """What the agent of a worker says to one verb."""
    return agents.offer_of(worker.agent, worker.engine, verb) if worker.agent else Offer(False, False, False)


def _misfit(row: Registered, options: Options) -> Verdict:
    if row.params is None:
        return None
    why = signature.misfit(row.params, options.get("args", []), options.get("kwargs", {}))
    return (LeftOut.WRONG_ARGUMENTS, why) if why else None
