"""What the tasks list costs at 2,000,000 tasks, by any filter: SQL, CPU and bytes of the panel's whole page. And CPU
and bytes of every other list, and of the overview, beside so many tasks and with a full page of everything else.

SQL is every SELECT of the request on tasks and their statistics, run again and read to the end: CPU time of the process
that works on it, this one for SQLite, the server's for PostgreSQL, so that what else the machine does weighs little.
`BENCH_TASKS` tells how many tasks, `Z4J_TEST_STORE` only one store.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.bench import million, rows  # noqa: E402
from tests.panel import crowd  # noqa: E402
from tests.rbac.places import Furnished  # noqa: E402
from tests.store import Store, open_store  # noqa: E402
from z4j_brain.rbac.models import Environment, Token, User  # noqa: E402
from z4j_brain.schedules import ticks  # noqa: E402
from z4j_brain.schedules.models import Run, Schedule  # noqa: E402
from z4j_brain.schedules.states import RunState  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

TASKS = int(os.environ.get("BENCH_TASKS") or os.environ.get("Z4J_BENCH_TASKS") or 2_000_000)
SIZES = [*(size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size < TASKS), TASKS]
ROUNDS = 9
PANEL = "/harbor/production/tasks/"
NAME = "shop.tasks.order_7"
CASES = {
    "newest": "",
    "newest of all": "since=all",
    "by state": "state=failed",
    "by name": f"name={NAME}",
    "by beginning of a name": "q=name:shop.tasks.order_1*",
    "by part of a name": "q=order_1",
    "by queue": "queue=emails",
    "by worker": "worker=celery@host-3",
    "by a worker that has no tasks": "worker=nobody&since=all",
    "by error": "q=error:Refused3",
    "by state, name and range": f"state=failed&name={NAME}&since=7d",
    "by queue and state of all": "queue=emails&state=failed&since=all",
    "text that is frequent": "q=unexpectedly&since=all",
    "text that is rare": "q=zanzibar&since=all",
    "text that is not there": "q=quetzal&since=all",
}
#: The other lists, and how many there are of what they show.
LISTS = ("issues", "statistics", "queues", "workers", "schedules", "operations", "audit", "dead-letters")
LISTS += ("alerts", "alerts/history")
CROWD = 60

Statement = tuple[str, Any]


def measure(store: Store, kind: str) -> list[rows.Row]:
    store.clone("list", cast=True)
    connections.settings["default"].update(store.django("list"))
    environment = Environment.objects.get(project__slug="harbor", slug="production")
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="oscar"), backend="django.contrib.auth.backends.ModelBackend")
    told, there = [], 0
    for size in SIZES:
        began = time.perf_counter()
        million.fill(environment, there + 1, size, size)
        there = size
        if size == TASKS:
            million.roll_up(environment)
        million.settle()
        filled = time.perf_counter() - began
        dearest = max(sql_ms(client, f"{PANEL}?{query}") for name, query in CASES.items() if "since=all" in query)
        told.append(rows.shown(f"list, {kind}: the dearest of all tasks at {size:,}", dearest, "ms"))
    print(
        f"{kind}: the last {TASKS - SIZES[-2] if len(SIZES) > 1 else TASKS:,} tasks took {filled:.0f} s",
        file=sys.stderr,
    )
    told += at_full_size(client, environment, kind) + naively(environment, kind)
    return told + other_pages(client, environment, kind)


def at_full_size(client: Client, environment: Environment, kind: str) -> list[rows.Row]:
    place = f"list of {TASKS:,}, {kind}"
    told = []
    for name, query in CASES.items():
        told.append(rows.at_most(f"{place}: SQL {name}", sql_ms(client, f"{PANEL}?{query}"), "ms", 5))
    task_id = Task.objects.filter(environment=environment).order_by("id")[TASKS // 3].task_id
    told.append(rows.at_most(f"{place}: SQL of an id pasted", sql_ms(client, f"{PANEL}?q={task_id}"), "ms", 5))
    for name in ("newest", "by state"):
        told += whole_page(client, place, name, f"{PANEL}?{CASES[name]}")
    return told


def other_pages(client: Client, environment: Environment, kind: str) -> list[rows.Row]:
    """With a crowd of everything, of which each list shows its first page."""
    crowd.furnish(Furnished.of(environment, Token.objects.filter(user__username="vera")[0]), range(CROWD))
    full_strips(environment)
    place, told = f"page beside {TASKS:,} tasks, {kind}", []
    for name in LISTS:
        told += whole_page(client, place, name, f"/harbor/production/{name}/")
    return told + whole_page(client, place, "overview", "/harbor/production/", most=100)


def full_strips(environment: Environment) -> None:
    """Each schedule with as many runs as its strip draws, of all kinds."""
    now, states = timezone.now(), list(RunState)
    made = [
        Run(environment=environment, schedule=one, moment=now - timedelta(hours=hour), state=states[hour % len(states)])
        for one in Schedule.objects.filter(environment=environment)
        for hour in range(ticks.SHOWN)
    ]
    Run.objects.bulk_create(made)


def whole_page(client: Client, place: str, name: str, path: str, most: float = 60) -> list[rows.Row]:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    cpu = median(lambda: client.get(path))
    return [
        rows.at_most(f"{place}: HTML {name}", len(answer.content) / 1024, "KB", 60),
        rows.at_most(f"{place}: CPU of a request {name}", cpu, "ms", most),
    ]


def naively(environment: Environment, kind: str) -> list[rows.Row]:
    """The ways not taken, for contrast."""
    tasks = Task.objects.filter(environment=environment).order_by("-id")
    ways: dict[str, Callable[[], object]] = {
        f"page at OFFSET {TASKS // 2:,}": lambda: list(tasks.values_list("pk", "name")[TASKS // 2 : TASKS // 2 + 50]),
        "COUNT(*) of all": lambda: tasks.count(),
        "part of a name by LIKE, none there": lambda: list(tasks.filter(name__icontains="quetzal")[:50]),
    }
    place = f"list of {TASKS:,}, {kind}: naively"
    return [rows.shown(f"{place}, {name}", median(way, 3, store_clock), "ms") for name, way in ways.items()]


def sql_ms(client: Client, path: str) -> float:
    statements: list[Statement] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    client.get(path)
    with connection.execute_wrapper(note):
        answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    reads = [
        (sql, params) for sql, params in statements if "tasks_task" in sql or "tasks_words" in sql or "stats_" in sql
    ]
    return median(lambda: run(reads), clock=store_clock)


def run(statements: list[Statement]) -> None:
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(sql, params)
            cursor.fetchall()


def median(what: Callable[[], object], rounds: int = ROUNDS, clock: Callable[[], float] = time.process_time) -> float:
    """Milliseconds."""
    spent = []
    for _ in range(rounds):
        before = clock()
        what()
        spent.append((clock() - before) * 1000)
    return statistics.median(spent)


def store_clock() -> float:
    """Seconds of CPU of whoever evaluates SQL; wall time where the machine does not tell."""
    connection.ensure_connection()
    if connection.vendor != "postgresql":
        return time.process_time()
    schedule = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return int(schedule.read_text().split()[0]) / 1e9 if schedule.exists() else time.perf_counter()


if __name__ == "__main__":
    if chosen := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory(prefix="z4j-bench-") as place:
            store = open_store(Path(place) / "store")
            try:
                rows.tell(measure(store, {"sqlite": "SQLite"}.get(chosen, "PostgreSQL")))
            finally:
                connections.close_all()
                store.close()
    else:
        rows.tell(rows.of_both_stores(__file__))
