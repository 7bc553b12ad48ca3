"""Tasks by the million, made by the store itself: 30 days of them, 40 names, 3 queues, 2 % failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from z4j_brain.rbac.models import Environment

DAYS = 30
#: Names are taken by a square: the first of them have most of the tasks, as in real life.
NAMES = 40
WORKERS = 8
#: One in fifty fails, of five kinds; one in 5,000 of those says what no other does.
FAILED = 50
#: For so many new tasks it is quicker to make the indexes afresh.
MANY = 500_000

_COLUMNS = {
    "environment_id": "{environment}",
    "engine": "'celery'",
    "task_id": "{task_id}",
    "name": "'shop.tasks.order_' || ({hash} % 200 * ({hash} % 200) / 1000)",
    "queue": "CASE {hash} % 7 WHEN 0 THEN 'emails' WHEN 1 THEN 'media' ELSE 'default' END",
    "worker": "'celery@host-' || ({hash} % {workers})",
    "state": "CASE WHEN i > {live} THEN CASE i % 3 WHEN 0 THEN 'started' ELSE 'queued' END"
    " WHEN {failing} THEN 'failed' WHEN i % 9973 = 0 THEN 'lost' ELSE 'succeeded' END",
    "attempt": "CASE WHEN {failing} THEN 3 ELSE 0 END",
    "args": "'(<int>, <str 36>)'",
    "kwargs": "'{{''order'': <int>, ''customer'': <dict 4>, ''lines'': <list 12>}}'",
    "result": "CASE WHEN {failing} THEN '' ELSE '<dict 3>' END",
    "error_type": "CASE WHEN {failing} THEN 'shop.errors.Refused' || ({hash} % 5) ELSE '' END",
    "error_message": "CASE WHEN {failing} THEN 'Connection to relay-' || ({hash} % 3) || ' unexpectedly closed'"
    " || CASE WHEN i % 250000 = 0 THEN ' by zanzibar' ELSE '' END ELSE '' END",
    "traceback": "CASE WHEN {failing} THEN {trace} ELSE '' END",
    "first_at": "{at}",
    "enqueued_at": "{at}",
    "started_at": "CASE WHEN i > {live} AND i % 3 > 0 THEN NULL ELSE {at} END",
    "finished_at": "CASE WHEN i > {live} THEN NULL ELSE {at} END",
    "last_at": "{at}",
    "runtime_ms": "CASE WHEN i > {live} THEN NULL ELSE {hash} % 3000 / 2.0 END",
    "truncated": "'[]'",
    "fold_key": "'0000000001'",
}
_EMPTY = (
    "root_id",
    "parent_id",
    "group_id",
    "retry_of",
    "schedule",
    "error_reason",
    "vault",
    "cancel_requested_by",
)


def fill(environment: Environment, first: int, last: int, total: int) -> None:
    """The tasks number `first` to `last` of `total`: the older, the lower; the last hundred of all still run."""
    columns = _COLUMNS | dict.fromkeys(_EMPTY, "''")
    values = ", ".join(_expression(text, environment, total) for text in columns.values())
    statement = f"INSERT INTO tasks_task ({', '.join(columns)}) SELECT {values} FROM ({_numbers(first, last)}) AS n"  # noqa: S608
    with _in_haste(), connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM tasks_task")
        (before,) = cursor.fetchone()
        with _without_indexes(last - first >= MANY):
            cursor.execute(statement)
        _index_words(environment, before)


def roll_up(environment: Environment) -> None:
    """The statistics of all these tasks; without histograms, which no list asks for."""
    ends = ("cancelled", "dead_lettered", "expired", "failed", "lost", "rejected", "skipped", "succeeded")
    seconds = (
        "extract(epoch FROM finished_at)::bigint" if _postgres() else "CAST(strftime('%s', finished_at) AS INTEGER)"
    )
    sums = ", ".join(f"SUM(CASE WHEN state = '{state}' THEN 1 ELSE 0 END)" for state in ends)
    with _in_haste(), connection.cursor() as cursor:
        for grain in (300, 3600, 86_400):
            cursor.execute(
                f"INSERT INTO stats_byqueue (environment_id, engine, queue, grain, start, arrived, {', '.join(ends)},"  # noqa: S608
                f" retries, runtime_us, runtimes, waits) SELECT environment_id, engine, queue, {grain},"
                f" {seconds} / {grain} * {grain} AS begun, COUNT(*), {sums}, 0, 0, '', '' FROM tasks_task"
                f" WHERE environment_id = {environment.pk} AND finished_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5"
            )


def settle() -> None:
    """What the store's own housekeeping has done by the time a brain has that many tasks."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if _postgres() else "PRAGMA wal_checkpoint(TRUNCATE)")


def _index_words(environment: Environment, before: int) -> None:
    """What the ingest would have indexed of the errors among the tasks above this id."""
    words = (
        f"'{environment.pk}t:' || replace(lower(error_type), '.', ' {environment.pk}t:') || ' {environment.pk}m:' ||"
        f" replace(replace(lower(error_message), '-', ' '), ' ', ' {environment.pk}m:')"
    )
    texts = f"FROM tasks_task WHERE id > {before} AND NOT (error_type = '')"
    with connection.cursor() as cursor:
        if _postgres():
            cursor.execute(
                "INSERT INTO tasks_words SELECT environment_id, id,"  # noqa: S608
                f" array_to_tsvector(string_to_array({words}, ' ')) {texts}"
            )
        else:
            cursor.execute(f"INSERT INTO tasks_words (rowid, words) SELECT id, {words} {texts}")  # noqa: S608


def _expression(text: str, environment: Environment, total: int) -> str:
    age = f"({total} - i) * {DAYS * 86_400} / {float(total)}"
    at = f"now() - ({age}) * interval '1 second'"
    if not _postgres():
        at = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', -({age}) || ' seconds')"
    text = text.replace("{at}", at).replace("{failing}", f"(i * 104729 % 10039 % {FAILED} = 0)")
    return text.format(
        environment=environment.pk,
        task_id=_TASK_ID[_postgres()],
        hash="(i * 7919 % 10007)",
        live=total - 100,
        workers=WORKERS,
        trace=_TRACE[_postgres()],
    )


_TASK_ID = {
    True: "md5(i::text)::uuid::text",
    False: "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8' ||"
    " substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))",
}
_LINE = '  File "/app/shop/tasks.py", line 88, in send_receipt'
_TRACE = {
    True: f"repeat('{_LINE}', 20)",
    False: f"replace(hex(zeroblob(10)), '0', '{_LINE}')",
}


def _numbers(first: int, last: int) -> str:
    if _postgres():
        return f"SELECT generate_series({first}::bigint, {last}) AS i"
    return f"WITH RECURSIVE c(i) AS (VALUES({first}) UNION ALL SELECT i + 1 FROM c WHERE i < {last}) SELECT i FROM c"


@contextmanager
def _in_haste() -> Iterator[None]:
    """The database is thrown away if the machine dies: it need not be safe while it is made."""
    on, off = _HASTE[_postgres()]
    with connection.cursor() as cursor:
        for statement in on:
            cursor.execute(statement)
        try:
            yield
        finally:
            for statement in off:
                cursor.execute(statement)


@contextmanager
def _without_indexes(worth_it: bool) -> Iterator[None]:
    """Drop what can be made again, and make it again."""
    made = []
    with connection.cursor() as cursor:
        if worth_it:
            cursor.execute(_INDEXES[_postgres()])
            made = cursor.fetchall()
            if _postgres():
                cursor.execute("ALTER TABLE tasks_task DROP CONSTRAINT task_identity")
        for name, _ in made:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
        yield
        for _, statement in made:
            cursor.execute(statement)
        if made and _postgres():
            cursor.execute("ALTER TABLE tasks_task ADD CONSTRAINT task_identity UNIQUE USING INDEX task_identity")


_INDEXES = {
    True: "SELECT indexname, indexdef FROM pg_indexes"
    " WHERE tablename = 'tasks_task' AND indexname <> 'tasks_task_pkey'",
    False: "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'tasks_task' AND sql IS NOT NULL",
}
_HASTE = {
    True: (["SET synchronous_commit = off", "SET maintenance_work_mem = '512MB'"], ["RESET synchronous_commit"]),
    False: (
        ["PRAGMA synchronous = OFF", "PRAGMA cache_size = -600000"],
        ["PRAGMA synchronous = FULL", "PRAGMA cache_size = -2000"],
    ),
}


def _postgres() -> bool:
    return connection.vendor == "postgresql"
