"""The tasks around a task, as far as the actor sees them: parents, children, retries, and the members of its groups.

They are read step by step along the indexes of ids, parents, originals and groups, so many steps and so many rows at
most. Who stands between two relatives and is not to be seen parts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.tasks.models import Task

#: Steps up and down from a task, and rows that are read.
STEPS = 24
MOST = 1_000
_READ = (
    "task_id", "name", "queue", "state", "attempt", "parent_id", "root_id", "retry_of", "group_id", "first_at",
    "enqueued_at", "eta", "started_at", "finished_at", "runtime_ms",
)  # fmt: skip


@dataclass(slots=True)
class Relatives:
    """`rows`: by task id, with the task itself. `more`: there are others than those that were read."""

    here: Task
    rows: dict[str, Task] = field(default_factory=dict)
    more: bool = False

    def __bool__(self) -> bool:
        return len(self.rows) > 1

    def retried_as(self, task_id: str) -> Task | None:
        """The retry of this task by that id."""
        found = self.rows.get(task_id)
        return found if found is not None and found.retry_of == self.here.task_id else None

    def take(self, found: Iterable[Task]) -> list[Task]:
        """Those of them that are new, as far as there is room."""
        fresh = []
        for row in found:
            if row.task_id in self.rows:
                continue
            if len(self.rows) >= MOST:
                self.more = True
                break
            self.rows[row.task_id] = row
            fresh.append(row)
        return fresh


def relatives(actor: Actor, task: Task) -> Relatives:
    """First what led to the task and what came of it, then the groups on the way, then all that came of those."""
    near = Task.objects.filter(environment=task.environment_id, engine=task.engine).only(*_READ)
    near = near.filter(access.permissions(actor, task.environment).condition(Task.FACETS))
    found = Relatives(task, {task.task_id: task})
    above = _up(near, found, task)
    _down(near, found, [task])
    groups = {row.group_id for row in found.rows.values()} - {""}
    members = _some(near.filter(group_id__in=groups).exclude(group_id=""), found) if groups else []
    _down(near, found, [*above, *members])
    return found


def _up(near: QuerySet[Task], found: Relatives, task: Task) -> list[Task]:
    """Parents, and what each was a retry of."""
    above: list[Task] = []
    wave = [task]
    for _ in range(STEPS):
        wanted = {name for row in wave for name in (row.parent_id, row.retry_of)} - {"", *found.rows}
        if not wanted:
            return above
        wave = found.take(near.filter(task_id__in=wanted))
        above += wave
    found.more = found.more or bool(wave)
    return above


def _down(near: QuerySet[Task], found: Relatives, wave: list[Task]) -> None:
    """Children and retries of these, and theirs."""
    for _ in range(STEPS):
        ids = [row.task_id for row in wave]
        if not ids or len(found.rows) >= MOST:
            return
        children = _some(near.exclude(parent_id="").filter(parent_id__in=ids), found)
        wave = [*children, *_some(near.exclude(retry_of="").filter(Q(retry_of__in=ids)), found)]
    found.more = found.more or bool(wave)


def _some(rows: QuerySet[Task], found: Relatives) -> list[Task]:
    """Of these rows those that are new. So many are read that there is room for, with those that are known, and one."""
    return found.take(rows[: MOST + 1])
