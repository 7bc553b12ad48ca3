"""Reading tasks: lists, one task, what leads to it and away from it, and what may be done to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from z4j_core import wire

from z4j_brain.audit import queries as audit
from z4j_brain.lib.capped import CAP, Count
from z4j_brain.operations import queries as operations
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.availability import VERBS, Availability, availability
from z4j_brain.tasks.models import Event, Task
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.timeline import Attempt, Station, timeline

__all__ = [
    "VERBS",
    "Attempt",
    "Availability",
    "Lineage",
    "Station",
    "availability",
    "detail",
    "events",
    "hello",
    "kinds",
    "lineage",
    "names",
    "queues",
    "search",
    "sees_payload",
    "state_counts",
    "tasks",
    "timeline",
    "touched",
    "with_task_id",
]

#: Columns that only a task's own page shows.
LONG = ("args", "kwargs", "result", "traceback", "truncated", "fold_key")
#: Columns that `VIEW_PAYLOAD` guards.
PAYLOAD = ("args", "kwargs", "result", "error_message", "traceback")
#: Distinct names or queues that are offered and searched.
NAMES = 1_000
#: Names that one search takes in.
MATCHES = 50
#: What may be the beginning of an id.
_SHORT_ID = re.compile(r"[0-9a-f][0-9a-f-]{5,}")
#: Rows that one look-up by task ids may find.
SAME_ID = 1_000
#: Hops of a chain of retries, and children, that a page shows.
HOPS = 10
CHILDREN = 50


@dataclass(frozen=True, slots=True)
class Lineage:
    """The tasks around one task. `originals`: what it is a retry of, nearest first. `retries`: of it, newest first."""

    originals: tuple[Task, ...]
    retries: tuple[Task, ...]
    parent: Task | None
    root: Task | None
    children: tuple[Task, ...]
    more_children: bool

    def __bool__(self) -> bool:
        return bool(self.originals or self.retries or self.parent or self.root or self.children)


class _Cut(Subquery):
    """How many rows a sliced queryset has, as a column."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS cut)"
    empty_result_set_value = 0


def tasks(actor: Actor, environment: Environment) -> QuerySet[Task]:
    """The environment's tasks without their long texts. `retried_as` is the task id of the newest retry, or None."""
    return _with_retries(rbac.within(Task.objects.all(), actor, environment)).defer(*LONG)


def detail(actor: Actor, environment: Environment, pk: int) -> Task:
    """One task with everything; Http404 when it is not there or not to be seen."""
    rows = rbac.within(Task.objects.select_related("environment__project"), actor, environment)
    found = _with_retries(rows.filter(pk=pk)).first()
    if found is None:
        raise Http404
    return found


def sees_payload(actor: Actor, environment: Environment) -> bool:
    """May the actor see (redacted) arguments, results, messages and tracebacks?"""
    return rbac.may(actor, Permission.VIEW_PAYLOAD, environment)


def events(task: Task) -> QuerySet[Event]:
    """What agents reported about a task that the actor was already shown."""
    return Event.objects.filter(task=task).select_related("agent")


def hello(environment_id: int, engine: str, task_id: str) -> Task | None:
    """The hello of an agent's doctor by this id, for the gateway; None for any other task."""
    found = Task.objects.filter(environment=environment_id, engine=engine, task_id=task_id).first()
    return found if found is not None and wire.HELLO_NAME.fullmatch(found.name) else None


def kinds(task: Task) -> list[str]:
    """What agents reported about a task, in the order of arrival."""
    return list(Event.objects.filter(task=task).order_by("id").values_list("kind", flat=True)[:SAME_ID])


def search(queryset: QuerySet[Task], environment: Environment, text: str) -> QuerySet[Task]:
    """The task with this id, or ids that begin so; failing that, names that begin with `text`, or contain it."""
    if by_id := with_task_id(environment, [text]) or _begun_by(environment, text):
        return queryset.filter(pk__in=by_id)
    wanted = text.lower()
    known = [(name, name.lower()) for name in names(environment)]
    begin = [name for name, lower in known if lower.startswith(wanted)]
    contain = [name for name, lower in known if wanted in lower]
    return queryset.filter(name__in=(begin or contain)[:MATCHES])


def with_task_id(environment: Environment, task_ids: Sequence[str]) -> list[int]:
    """Rows by the engines' own ids. By key, so that no list walks all its rows to find one."""
    rows = Task.objects.filter(environment=environment, task_id__in=task_ids)
    return list(rows.values_list("pk", flat=True)[:SAME_ID])


def _begun_by(environment: Environment, text: str) -> list[int]:
    """Rows whose id begins with `text`, as lists and logs shorten ids: by key, one engine at a time."""
    if not _SHORT_ID.fullmatch(text):
        return []
    rows = Task.objects.filter(environment=environment, engine__in=_distinct(environment, "engine"))
    return list(rows.filter(task_id__gte=text, task_id__lt=f"{text}g").values_list("pk", flat=True)[:SAME_ID])


def names(environment: Environment) -> list[str]:
    """The names of the environment's tasks, at most `NAMES`."""
    return _distinct(environment, "name")


def queues(environment: Environment) -> list[str]:
    """The queues its tasks were in, at most `NAMES`."""
    return _distinct(environment, "queue")


def state_counts(queryset: QuerySet[Task], environment: Environment, cap: int = CAP) -> dict[TaskState, Count]:
    """How many of `queryset` are in each state, in one query that reads `cap` + 1 rows of each at most."""
    cuts = {state.value: _Cut(queryset.order_by().filter(state=state).values("pk")[: cap + 1]) for state in TaskState}
    row = Environment.objects.filter(pk=environment.pk).annotate(**cuts).values(*cuts).first() or {}
    return {state: Count(min(row.get(state.value, 0), cap), row.get(state.value, 0) > cap) for state in TaskState}


def lineage(task: Task) -> Lineage:
    """What a task is a retry of, its retries, its parent, root and children: for a page that already shows the task."""
    near = _near(task)
    children = list(near.exclude(parent_id="").filter(parent_id=task.task_id).exclude(pk=task.pk)[: CHILDREN + 1])
    above = {task.parent_id, task.root_id} - {"", task.task_id}
    found = {row.task_id: row for row in near.filter(task_id__in=above)} if above else {}
    root = found.get(task.root_id)
    return Lineage(
        originals=tuple(_originals(near, task)),
        retries=tuple(_retries(near, task)),
        parent=found.get(task.parent_id),
        root=root if task.root_id != task.parent_id else None,
        children=tuple(children[:CHILDREN]),
        more_children=len(children) > CHILDREN,
    )


def touched(task: Task) -> list[audit.Touch]:
    """Who touched this task: entries about it, and about the operations that took it in."""
    asked = operations.touching(task.environment, "task", [str(task.pk)])
    targets = [("operation", str(item.operation_id)) for item in asked]
    return audit.touched_any(task.environment, [("task", str(task.pk)), *targets])


def _with_retries(queryset: QuerySet[Task]) -> QuerySet[Task]:
    newest = (
        Task.objects.filter(environment=OuterRef("environment"), retry_of=OuterRef("task_id"))
        .filter(engine=OuterRef("engine"))
        .exclude(retry_of="")  # says what the partial index says, so that it is used
        .order_by("-id")
        .values("task_id")[:1]
    )
    return queryset.annotate(retried_as=Subquery(newest))


def _near(task: Task) -> QuerySet[Task]:
    rows = Task.objects.filter(environment=task.environment_id, engine=task.engine)
    return rows.defer(*PAYLOAD, "fold_key").order_by("-id")


def _originals(near: QuerySet[Task], task: Task) -> Iterable[Task]:
    seen = {task.task_id}
    while task.retry_of and task.retry_of not in seen and len(seen) <= HOPS:
        found = near.filter(task_id=task.retry_of).first()
        if found is None:
            return
        yield (task := found)
        seen.add(task.task_id)


def _retries(near: QuerySet[Task], task: Task) -> list[Task]:
    """Retries of the task and of its retries."""
    found: dict[int, Task] = {}
    wave = [task.task_id]
    for _ in range(HOPS):
        rows = near.exclude(retry_of="").filter(Q(retry_of__in=wave)).exclude(pk__in=[task.pk, *found])[:CHILDREN]
        fresh = {row.pk: row for row in rows}
        if not fresh:
            break
        found |= fresh
        wave = [row.task_id for row in fresh.values()]
    return sorted(found.values(), key=lambda row: -row.pk)


def _distinct(environment: Environment, column: Literal["name", "queue", "engine"]) -> list[str]:
    """Distinct values of an indexed column: one index step for each value instead of a walk over all rows."""
    table, field = Task._meta.db_table, connection.ops.quote_name(column)
    least = f"SELECT MIN({field}) FROM {table} WHERE environment_id = %s"  # noqa: S608 (names of ours)
    statement = f"""
        WITH RECURSIVE found(value) AS (
            {least}
            UNION ALL
            SELECT ({least} AND {field} > found.value) FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL AND value <> '' LIMIT %s
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [environment.pk, environment.pk, NAMES])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [str(value) for (value,) in rows]
