"""What can be asked of queues and workers, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from z4j_brain.agents import queries as agents
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.fleet.targets import offer_of
from z4j_brain.fleet.verbs import QUEUE, WORKER
from z4j_brain.operations.menu import Entry, entries
from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment


def of_queues(actor: Actor, environment: Environment, queues: Iterable[Queue]) -> dict[int, list[Entry]]:
    """By the keys of the queues. A queue that is paused can be resumed, any other be paused."""
    held = access.permissions(actor, environment)
    reach = cache(lambda engine: agents.reach(environment, engine))
    return {
        queue.pk: entries(
            QUEUE, queue.engine, held, reach(queue.engine).offer, ["pause" if queue.paused_at else "resume"]
        )
        for queue in queues
    }


def of_worker(actor: Actor, environment: Environment, worker: Worker) -> list[Entry]:
    held = access.permissions(actor, environment)
    return entries(WORKER, worker.engine, held, lambda verb: offer_of(worker, verb))
