"""Set-based writes of many rows of one model, on both stores, without an object per row.

Values are what the store's driver takes: text, numbers, None, UUIDs and times as `stored` makes them, JSON as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Field, Model

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last microsecond a timestamp column can hold (the end of the year 9999).
MAX_TIME = 253_402_300_799_999_999
_NAIVE = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)

Rows = Sequence[Sequence[Any]]
Value = TypeVar("Value")


@cache
def on_postgres() -> bool:
    return connection.vendor == "postgresql"


@lru_cache(maxsize=16_384)  # the same moment goes into several columns
def stored_time(micros: int) -> str:
    """Microseconds since the epoch as a timestamp column takes them: on SQLite as Django writes them there."""
    text = (_NAIVE + timedelta(microseconds=micros)).isoformat(" ")
    return text + "+00:00" if on_postgres() else text


def micros(value: datetime | str | None) -> int | None:
    """What a timestamp column holds, as microseconds since the epoch."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (moment - (EPOCH if moment.tzinfo else _NAIVE)) // _MICROSECOND


def stored_uuid(value: UUID) -> str:
    return str(value) if on_postgres() else value.hex


def among(values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """The condition that a column has one of these values, and its parameters: one array where the store knows them."""
    return ("= ANY(%s)", [list(values)]) if on_postgres() else (f"IN ({', '.join(['%s'] * len(values))})", values)


def reserve(model: type[Model], count: int) -> list[int]:
    """Ids for `count` new rows, in order. On SQLite the caller's write transaction keeps others away from them."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if on_postgres():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()
        start = (last[0] if last else 0) + 1
        return list(range(start, start + count))


def insert(model: type[Model], names: Sequence[str], rows: Rows, unique: Sequence[str]) -> set[int]:
    """Insert rows whose first column is the id; return the ids of those that were not there yet by `unique`."""
    table, columns = model._meta.db_table, _columns(model, names)
    with connection.cursor() as cursor:
        if not on_postgres():
            cursor.executemany(_insert(table, columns), rows)
            return {row[0] for row in rows}
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {_recordset(model, names)} "  # noqa: S608
            f"ON CONFLICT ({', '.join(_columns(model, unique))}) DO NOTHING RETURNING id",
            [_records(columns, rows)],
        )
        return {row[0] for row in cursor.fetchall()}


def insert_together(*rows: Model) -> None:
    """Insert rows of models that belong together, in this order: in one statement where the store can do that."""
    values = [[_prepared(row, field) for field in row._meta.concrete_fields] for row in rows]
    if on_postgres():
        values = [[one for given in values for one in given]]
    with connection.cursor() as cursor:
        for statement, given in zip(_together(tuple(type(row) for row in rows)), values, strict=True):
            cursor.execute(statement, given)
    for row in rows:
        row._state.adding = False


@cache
def _together(models: tuple[type[Model], ...]) -> list[str]:
    """A statement for a row of each model; on PostgreSQL one for all of them."""
    names = {model: [field.name for field in model._meta.concrete_fields] for model in models}
    *first, last = [_insert(model._meta.db_table, _columns(model, names[model])) for model in models]
    if not on_postgres():
        return [*first, last]
    these = ", ".join(f"w{at} AS ({one})" for at, one in enumerate(first))
    return [f"WITH {these} {last}" if first else last]


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608


def _prepared(row: Model, field: Field[Any, Any]) -> Any:
    return field.get_db_prep_save(getattr(row, field.attname), connection)


def find(
    model: type[Model], within: tuple[str, Any], keys: Sequence[str], values: Rows, names: Sequence[str]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The named columns of those rows whose `keys` are among `values`, by key; locked in the order of the keys.

    `within`: one more column, the first of the unique index over the keys, and its value.
    """
    table, marks = model._meta.db_table, _columns(model, keys)
    columns = ", ".join(f"t.{column}" for column in (*marks, *_columns(model, names)))
    (first,) = _columns(model, [within[0]])
    match = " AND ".join(f"t.{column} = u.{column}" for column in marks)
    with connection.cursor() as cursor:
        if on_postgres():
            order = ", ".join(f"t.{column}" for column in marks)
            cursor.execute(
                f"SELECT {columns} FROM {_recordset(model, keys)} JOIN {table} t ON t.{first} = %s AND {match} "  # noqa: S608
                f"ORDER BY {order} FOR UPDATE OF t",
                [_records(marks, values), within[1]],
            )
        else:
            row = f"({', '.join(['%s'] * len(marks))})"
            given = f"WITH u({', '.join(marks)}) AS (VALUES {', '.join([row] * len(values))})"
            cursor.execute(
                f"{given} SELECT {columns} FROM u CROSS JOIN {table} t ON t.{first} = %s AND {match}",  # noqa: S608
                [*(part for value in values for part in value), within[1]],
            )
        return {row[: len(marks)]: row[len(marks) :] for row in cursor.fetchall()}


def update(model: type[Model], names: Sequence[str], rows: Rows) -> None:
    """Set the columns after the first, the id, in the row of that id."""
    table, columns = model._meta.db_table, _columns(model, names)
    with connection.cursor() as cursor:
        if on_postgres():
            changes = ", ".join(f"{column} = u.{column}" for column in columns[1:])
            source = _recordset(model, names)
            cursor.execute(f"UPDATE {table} t SET {changes} FROM {source} WHERE t.id = u.id", [_records(columns, rows)])  # noqa: S608
        else:
            changes = ", ".join(f"{column} = %s" for column in columns[1:])
            values = [(*row[1:], row[0]) for row in rows]
            cursor.executemany(f"UPDATE {table} SET {changes} WHERE id = %s", values)  # noqa: S608


def append(model: type[Model], names: Sequence[str], rows: Rows) -> None:
    """Insert rows whose ids nobody asks for: the quickest way in."""
    table, columns = model._meta.db_table, ", ".join(_columns(model, names))
    with connection.cursor() as cursor:
        if on_postgres():
            # Unwrapped, what fails on the way in is the driver's own error: a full disk would pass for a bad event.
            with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608


def _fields(model: type[Model], names: Sequence[str]) -> list[Field[Any, Any]]:
    return [field for field in map(model._meta.get_field, names) if isinstance(field, Field)]


def _columns(model: type[Model], names: Sequence[str]) -> list[str]:
    return [str(field.column) for field in _fields(model, names)]


def _records(columns: Sequence[str], rows: Rows) -> str:
    return orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode()


def _recordset(model: type[Model], names: Sequence[str]) -> str:
    """A set of rows out of one JSON parameter: half the client's work of an array per column (measured)."""
    types = ", ".join(f"{field.column} {field.rel_db_type(connection)}" for field in _fields(model, names))
    return f"json_to_recordset(%s::json) AS u({types})"


def batched(values: Iterable[Value], size: int) -> Iterator[list[Value]]:
    """The values in order, in lists of `size`; the last one may be shorter."""
    steady = iter(values)
    while batch := list(islice(steady, size)):
        yield batch
