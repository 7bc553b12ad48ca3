"""What engines have given up and keep: as brokers count it by queue, and as it is known task by task."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.models import Queue
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

#: The newest so many tasks are looked at; queues and errors that are told.
LOOKED, TOLD = 5_000, 50


@dataclass(frozen=True, slots=True)
class OfQueue:
    """`kept`: as its broker counts; None where nobody can know. `known`: tasks that ended so."""

    engine: str
    name: str
    queue: Queue | None
    kept: int | None
    known: int


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Most first. `capped`: there are more tasks than were looked at."""

    queues: tuple[OfQueue, ...]
    errors: tuple[tuple[str, int], ...]
    kept: int
    known: int
    capped: bool

    def __bool__(self) -> bool:
        return bool(self.queues)


def dead_letters(actor: Actor, environment: Environment) -> DeadLetters:
    rows = rbac.within(Task.objects.filter(state=TaskState.DEAD_LETTERED), actor, environment).order_by("-id")
    found = list(rows.values_list("engine", "queue", "error_type")[: LOOKED + 1])
    known = Counter((engine, queue) for engine, queue, _ in found[:LOOKED])
    errors = Counter(error for _, _, error in found[:LOOKED])
    measured = fleet.queues(actor, environment)
    kept = list(measured.filter(dead__gt=0).order_by("-dead")[:TOLD])
    others = measured.filter(name__in={name for _, name in known}) if known else measured.none()
    by_name = {(queue.engine, queue.name): queue for queue in [*kept, *others[: fleet.WORKERS]]}
    told = [_of_queue(key, by_name.get(key), known[key]) for key in {(row.engine, row.name) for row in kept} | {*known}]
    told.sort(key=lambda row: (-(row.kept or 0), -row.known, row.name))
    total = sum(row.kept or 0 for row in told)
    return DeadLetters(tuple(told[:TOLD]), tuple(errors.most_common(TOLD)), total, known.total(), len(found) > LOOKED)


def _of_queue(key: tuple[str, str], queue: Queue | None, known: int) -> OfQueue:
    return OfQueue(*key, queue, queue.dead if queue else None, known)
