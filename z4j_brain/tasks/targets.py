"""Tasks as targets of operations: how an agent knows them, and whether they have ended."""

from __future__ import annotations

from collections.abc import Collection

from z4j_brain.operations.targets import Resolved
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TERMINAL

KIND = "task"
#: An engine is the target of a hello.
ENGINE = "engine"


def resolve(environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
    rows = Task.objects.filter(environment_id=environment_id, pk__in=[int(pk) for pk in ids])
    found = rows.values_list("pk", "task_id", "name", "queue", "vault", "state")
    return {
        str(pk): Resolved(str(pk), task_id, name, queue, vault, state if state in TERMINAL else "")
        for pk, task_id, name, queue, vault, state in found
    }


def resolve_engines(environment_id: int, ids: Collection[str]) -> dict[str, Resolved]:
    """A hello is for no task yet."""
    return {engine: Resolved(engine, "") for engine in ids}
