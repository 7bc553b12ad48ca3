"""Puts a stored database back, as if it had been made a moment ago.

Everything that time would have worn out in the meantime (tokens, batches that may be repeated, history that is kept for
some days only) is moved by the age of the fixture. The ledger is left as it is: it may not be changed.
"""

from __future__ import annotations

import json
import lzma
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests import wire as sent
from tests.store import PostgresStore, SQLiteStore, Store

FOLDER = Path(__file__).parent
#: Times inside an event, microseconds.
_TIMES = ("ts", "run", "eta", "expires")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_COPY = re.compile(r"^(COPY [^;]*FROM stdin;)\n(.*?)^\\\.\n", re.M | re.S)
_LEFT = ("ledger_entry", "ledger_entryprivate", "django_migrations")

Execute = Callable[[str, Sequence[Any]], Iterable[Any]]


def told(store: Store) -> dict[str, Any]:
    """What must be read back from the fixture of this store."""
    return dict(json.loads(_unpacked(store, ".json")))


def restore(store: Store, name: str, made_at: int) -> timedelta:
    """Make the database `name` of the fixture; how far its times were moved."""
    moved = timedelta(microseconds=sent.now() - made_at)
    store.empty(name)
    if isinstance(store, SQLiteStore):
        store.file(name).write_bytes(_unpacked(store, ""))
        _move_sqlite(store.file(name), moved)
    else:
        with psycopg.connect(store.url(name), autocommit=True) as connection:
            _load(connection, _unpacked(store, "").decode())
        with psycopg.connect(store.url(name)) as connection:  # the dump leaves its session without a search path
            _move_postgres(connection, moved)
    return moved


def shifted(value: Any, moved: timedelta) -> Any:
    """An answer of the API as it reads after its times were moved."""
    if isinstance(value, dict):
        return {
            key: _later(part, moved) if key in _TIMES and type(part) is int else shifted(part, moved)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [shifted(part, moved) for part in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return (datetime.fromisoformat(value) + moved).isoformat().replace("+00:00", "Z")
    return value


def _later(micros: int, moved: timedelta) -> int:
    return micros + moved // timedelta(microseconds=1)


def _unpacked(store: Store, suffix: str) -> bytes:
    kind = "postgres" if isinstance(store, PostgresStore) else "sqlite"
    return lzma.decompress((FOLDER / f"before.{kind}{suffix}.xz").read_bytes())


def _load(connection: psycopg.Connection[Any], dump: str) -> None:
    """Run what pg_dump wrote: statements, and rows for COPY between them."""
    parts = _COPY.split(dump)
    for statements, copy, rows in zip(parts[::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True):
        connection.execute(statements.encode())
        if copy:
            with connection.cursor().copy(copy.encode()) as stream:
                stream.write(rows)


def _move_sqlite(file: Path, moved: timedelta) -> None:
    def later(text: str) -> str:
        return str((datetime.fromisoformat(text) + moved).replace(tzinfo=None))

    with sqlite3.connect(file) as connection:
        connection.create_function("later", 1, later, deterministic=True)
        columns = connection.execute(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND c.type = 'datetime'"
        ).fetchall()
        for table, column in columns:
            if table not in _LEFT:
                connection.execute(f"UPDATE {table} SET {column} = later({column}) WHERE {column} IS NOT NULL")  # noqa: S608
        _move_events(lambda statement, values: connection.execute(statement, values), moved)
    connection.close()


def _move_postgres(connection: psycopg.Connection[Any], moved: timedelta) -> None:
    columns = connection.execute(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c "
        "JOIN pg_class t ON t.relname = c.table_name AND t.relnamespace = c.table_schema::regnamespace "
        "WHERE c.table_schema = 'public' AND c.data_type = 'timestamp with time zone' "
        "AND t.relkind IN ('r', 'p') AND NOT t.relispartition"
    ).fetchall()
    for table, column in columns:
        if table not in _LEFT:
            connection.execute(f'UPDATE {table} SET "{column}" = "{column}" + %s'.encode(), [moved])  # noqa: S608
    _move_events(lambda statement, values: connection.execute(statement.replace("?", "%s").encode(), values), moved)


def _move_events(execute: Execute, moved: timedelta) -> None:
    """The agents' own times: inside the events, and in the key by which a task knows its last event."""
    for pk, key in list(execute("SELECT id, fold_key FROM tasks_task", [])):
        execute("UPDATE tasks_task SET fold_key = ? WHERE id = ?", [_moved_key(key, moved), pk])
    for pk, ts, data in list(execute("SELECT id, ts, data FROM tasks_event", [])):
        event = json.loads(data) if isinstance(data, str) else data
        text = json.dumps(shifted(event, moved), ensure_ascii=False, separators=(",", ":"))
        execute("UPDATE tasks_event SET ts = ?, data = ? WHERE id = ?", [_later(ts, moved), text, pk])


def _moved_key(key: str, moved: timedelta) -> str:
    """`key` is `z4j_core.fold.key_text`: attempt, run, rank, live, ts, boot, seq."""
    attempt, run, rank, live, ts, boot, seq = key.split(" ")
    run = run if int(run) == 0 else f"{_later(int(run), moved):019d}"
    return " ".join((attempt, run, rank, live, f"{_later(int(ts), moved):019d}", boot, seq))
