"""What each index of tasks and events costs: the time it adds to an insert, alone on a table without any other.

Rows are made by the store itself, so that nothing but the store is timed: so many into an empty table without a
secondary index, then as many with one of them, in turn; the median difference, in microseconds a row.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections  # noqa: E402
from django.db.models import Index, Model  # noqa: E402

from tests.bench import bench_ingest, million, rows  # noqa: E402
from tests.store import open_store  # noqa: E402
from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.rbac.models import Environment  # noqa: E402
from z4j_brain.tasks.models import Event, Task  # noqa: E402

ROWS, TURNS = 60_000, 3
EVENTS = """
    INSERT INTO tasks_event (environment_id, task_id, agent_id, seq, kind, ts, data, received_at)
    SELECT environment_id, id, '00000000000000000000000000000001', id, 'task.succeeded', 0, '{}', last_at
    FROM tasks_task
"""


def measure(environment: Environment, kind: str) -> list[rows.Row]:
    for model in (Task, Event):
        for index in model._meta.indexes:
            change(model, index, there=False)
    tasks = partial(million.fill, environment, 1, ROWS, ROWS)
    told = [cost(Task, index, kind, tasks) for index in Task._meta.indexes]
    empty(Event, Task)
    tasks()
    return told + [cost(Event, index, kind, partial(execute, EVENTS)) for index in Event._meta.indexes]


def cost(model: type[Model], index: Index, kind: str, fill: Callable[[], None]) -> rows.Row:
    differences = []
    for _ in range(TURNS):
        without = timed(model, fill)
        change(model, index, there=True)
        differences.append(timed(model, fill) - without)
        change(model, index, there=False)
    micros = max(statistics.median(differences), 0) / ROWS * 1_000_000
    return rows.shown(f"index {index.name}, {kind}: added to an insert", micros, "us")


def timed(model: type[Model], fill: Callable[[], None]) -> float:
    """Seconds that filling the empty table takes."""
    empty(model)
    began = time.perf_counter()
    fill()
    return time.perf_counter() - began


def empty(*models: type[Model]) -> None:
    for model in models:
        execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608
    million.settle()


def change(model: type[Model], index: Index, *, there: bool) -> None:
    with connection.schema_editor() as editor:
        (editor.add_index if there else editor.remove_index)(model, index)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


if __name__ == "__main__":
    if chosen := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory(prefix="z4j-bench-") as place:
            store = open_store(Path(place) / "store")
            store.clone("alone", cast=True)
            bench_ingest.use(store.django("alone"))
            key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
            print(json.dumps(measure(key.environment, {"sqlite": "SQLite"}.get(chosen, "PostgreSQL"))))
            connections.close_all()
            store.close()
    else:
        rows.tell(rows.of_both_stores(__file__))
