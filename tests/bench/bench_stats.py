"""What charts and tables of statistics cost over the rollups of 90 days, 2 million tasks in 3 queues under 40 names.

SQL: the statements of a chart, executed and fetched. Whole: with the percentiles made of them. SQLite works in this
process: CPU time, the median of some turns. PostgreSQL: the time until the answer, of the quickest turn: what else
the machine does can only add to it.
The same chart over the rows of one day's 288,000 tasks is there for contrast, and a place with 50 busy queues.
`Z4J_TEST_STORE=postgres` chooses one store; without it both are measured.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections, transaction  # noqa: E402

from tests.bench.rows import Row, at_most, of_both_stores, shown, tell  # noqa: E402
from tests.store import open_store  # noqa: E402
from z4j_brain.lib import bulk  # noqa: E402
from z4j_brain.rbac.models import Environment  # noqa: E402
from z4j_brain.stats import histogram, queries  # noqa: E402
from z4j_brain.stats.models import ByName, ByQueue, Rollup  # noqa: E402
from z4j_brain.stats.spans import Span, moment  # noqa: E402
from z4j_brain.stats.states import SUMS, Grain  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

TURNS = 15
DAYS, TASKS, QUEUES, NAMES = 90, 2_000_000, 3, 40
RAW, CROWD = 288_000, 50
MOST = 20
#: The end of everything: a whole day, so that all grains end there.
NOW = 1_790_208_000 // 86_400 * 86_400
CHANCE = random.Random(4)


def main(kind: str) -> list[Row]:
    place = Environment.objects.get(project__slug="harbor", slug="production")
    crowd = Environment.objects.get(project__slug="harbor", slug="staging")
    fill(place, QUEUES, NAMES, {Grain.FIVE_MINUTES: DAYS, Grain.HOUR: DAYS, Grain.DAY: DAYS})
    fill(crowd, CROWD, 0, {Grain.FIVE_MINUTES: 2, Grain.HOUR: 8, Grain.DAY: DAYS})
    fill_tasks(place)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    day, quarter = span(1), span(DAYS)
    cases: dict[str, Callable[[], Any]] = {
        "24 h chart": lambda: series_of(place, day),
        "90 d chart": lambda: series_of(place, quarter),
        "90 d by task name": lambda: table_of(queries.by_name(place.pk, quarter)),
        "24 h by task name": lambda: table_of(queries.by_name(place.pk, day)),
    }
    told = []
    for name, ask in cases.items():
        sql, whole = cost(ask)
        told += [at_most(f"{kind}: {name}, SQL", sql, "ms", MOST), shown(f"{kind}: {name}, whole", whole, "ms")]
    for name, one in (("24 h chart", day), ("90 d chart", quarter)):
        sql, whole = cost(lambda one=one: series_of(crowd, one))
        told += [shown(f"{kind}: {name} of {CROWD} queues, SQL", sql, "ms")]
        told += [shown(f"{kind}: {name} of {CROWD} queues, whole", whole, "ms")]
    return [*told, shown(f"{kind}: 24 h chart over {RAW:,} task rows, SQL", raw(place), "ms")]


def span(days: int) -> Span:
    return Span.between(moment(NOW - days * 86_400), moment(NOW))


def series_of(place: Environment, span: Span) -> None:
    """A chart with its percentiles."""
    for point in queries.series(place.pk, span).points:
        _ = point.totals.runtime_ms, point.totals.wait_ms


def table_of(table: queries.Table) -> None:
    for group in table.groups:
        _ = group.totals.runtime_ms


def cost(ask: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of its statements alone, and of everything."""
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        ask()
    return timed(lambda: run(statements)), timed(ask)


def run(statements: Sequence[tuple[str, Any]]) -> None:
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(sql, params)
            cursor.fetchall()


def timed(do: Callable[[], Any], turns: int = TURNS) -> float:
    spent = []
    clock, pick = (time.perf_counter, min) if bulk.on_postgres() else (time.process_time, statistics.median)
    for _ in range(turns):
        started = clock()
        do()
        spent.append((clock() - started) * 1000)
    return float(pick(spent))


# ── What is there ────────────────────────────────────────────────────────────────────────────────────────────────────


def fill(place: Environment, queues: int, names: int, days: dict[Grain, int]) -> None:
    with transaction.atomic():
        for grain, reach in days.items():
            put(ByQueue, "queue", place, grain, reach, [f"queue-{n}" for n in range(queues)])
            if names and grain != Grain.FIVE_MINUTES:
                put(ByName, "name", place, grain, reach, [f"shop.tasks.order_{n}" for n in range(names)])


def put(model: type[Rollup], label: str, place: Environment, grain: Grain, days: int, labels: list[str]) -> None:
    """A rollup for each label and each stretch; what tasks of one stretch come to is drawn from a few examples."""
    columns = ("environment", "grain", "start", "engine", label, *SUMS, "runtimes", "waits")
    tasks = max(TASKS * grain // (DAYS * 86_400 * len(labels)), 1)
    examples = [example(tasks) for _ in range(30)]
    starts = range(NOW - days * 86_400, NOW, grain)
    rows = [
        (place.pk, int(grain), start, "celery", text, *CHANCE.choice(examples)) for start in starts for text in labels
    ]
    bulk.append(model, columns, rows)


def example(tasks: int) -> tuple[Any, ...]:
    """Sums and histograms of some tasks: run times of 200 ms or so, one in a hundred far slower, 2 % failed."""
    runtimes = [
        CHANCE.lognormvariate(12.2, 0.8) * (1 if CHANCE.random() < 0.99 else 40) for _ in range(min(tasks, 500))
    ]
    waits = [CHANCE.lognormvariate(11, 1.4) for _ in runtimes]
    failed = tasks // 50
    sums = {"arrived": tasks, "failed": failed, "succeeded": tasks - failed, "runtime_us": int(sum(runtimes))}
    return (*(sums.get(name, 0) for name in SUMS), text_of(runtimes), text_of(waits))


def text_of(micros: list[float]) -> str:
    return histogram.dump(histogram.Slots(map(histogram.slot, micros)))


def fill_tasks(place: Environment) -> None:
    """One day of tasks, as far as a chart needs them."""
    with connection.schema_editor() as editor:  # no index helps here
        for index in Task._meta.indexes:
            editor.remove_index(Task, index)
    with transaction.atomic():
        for start in range(0, RAW, 20_000):
            bulk.append(Task, TASK, [task(place, n) for n in range(start, min(start + 20_000, RAW))])


TASK = ("environment", "engine", "task_id", "name", "queue", "state", "attempt", "truncated", "runtime_ms")
TEXTS = ("worker", "root_id", "parent_id", "group_id", "retry_of", "schedule", "args", "kwargs", "result")
TEXTS += ("error_type", "error_message", "traceback", "error_reason", "vault", "cancel_requested_by", "fold_key")
TASK += ("first_at", "finished_at", "last_at", *TEXTS)


def task(place: Environment, n: int) -> tuple[Any, ...]:
    at = bulk.stored_time((NOW - 86_400) * 1_000_000 + n * (86_400_000_000 // RAW))
    state = "failed" if n % 50 == 0 else "succeeded"
    known = (place.pk, "celery", f"task-{n}", f"shop.tasks.order_{n % NAMES}", f"queue-{n % QUEUES}", state, 0, "[]")
    return (*known, CHANCE.lognormvariate(5.3, 0.8), at, at, at, *("",) * len(TEXTS))


def raw(place: Environment) -> float:
    """The chart as one would make it without rollups: 5 minutes, how many, failed, p50, p95 and p99."""
    since, until = (bulk.stored_time((NOW - days * 86_400) * 1_000_000) for days in (1, 0))
    sql = RAW_SQL[bulk.on_postgres()]
    return timed(lambda: run([(sql, [place.pk, since, until])]), 3)


_ROWS = "FROM tasks_task WHERE environment_id = %s AND finished_at >= %s AND finished_at < %s"
RAW_SQL = {
    True: "SELECT floor(extract(epoch FROM finished_at) / 300) AS at, count(*), sum((state = 'failed')::int),"
    f" percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY runtime_ms) {_ROWS} GROUP BY at",
    False: "SELECT at, count(*), sum(failed), min(CASE WHEN place >= 0.5 THEN took END),"
    " min(CASE WHEN place >= 0.95 THEN took END), min(CASE WHEN place >= 0.99 THEN took END)"
    " FROM (SELECT at, failed, took, cume_dist() OVER (PARTITION BY at ORDER BY took) AS place FROM (SELECT"
    f" unixepoch(finished_at) / 300 AS at, state = 'failed' AS failed, runtime_ms AS took {_ROWS})) GROUP BY at",
}


if __name__ == "__main__":
    if kind := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(Path(folder) / "store")
            store.clone("stats", cast=True)
            connections.settings["default"].update(store.django("stats"))
            found = main(kind)
            connections.close_all()
            store.close()
        tell(found)
    else:
        tell(of_both_stores(__file__))
