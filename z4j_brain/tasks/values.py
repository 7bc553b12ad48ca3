"""Values of indexed columns, and tasks by the engines' own ids: by key, so that no look-up walks the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.db import connection

from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import Task

#: Distinct values that are offered and searched.
NAMES = 1_000


def names(environment: Environment) -> list[str]:
    """The names of the environment's tasks, at most `NAMES`."""
    return _distinct(environment, "name")


def queues(environment: Environment) -> list[str]:
    """The queues its tasks were in, at most `NAMES`."""
    return _distinct(environment, "queue")


def error_types(environment: Environment) -> list[str]:
    """The types of errors its tasks ended with, at most `NAMES`."""
    return _distinct(environment, "error_type", "AND NOT (error_type = '')")  # as the partial index says it


def with_task_id(environment: Environment, task_ids: Sequence[str], limit: int) -> tuple[int, ...]:
    rows = Task.objects.filter(environment=environment, task_id__in=task_ids)
    return tuple(sorted(rows.values_list("pk", flat=True)[:limit], reverse=True))


def begun_by(environment: Environment, text: str, near: int) -> tuple[int, ...]:
    """Tasks whose id begins with `text`. Looked for among the `near` ids that sort next: collations that pass over
    punctuation put others in between.
    """
    after = Task.objects.filter(environment=environment, task_id__gte=text).order_by("task_id")
    found = [pk for pk, task_id in after.values_list("pk", "task_id")[:near] if task_id.startswith(text)]
    return tuple(sorted(found, reverse=True))


def _distinct(environment: Environment, column: Literal["name", "queue", "error_type"], also: str = "") -> list[str]:
    """One index step for each value instead of a walk over all rows."""
    table, field = Task._meta.db_table, connection.ops.quote_name(column)
    least = f"SELECT MIN({field}) FROM {table} WHERE environment_id = %s {also}"  # noqa: S608 (names of ours)
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
