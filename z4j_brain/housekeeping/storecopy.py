"""Copies an installation from SQLite to an empty PostgreSQL database: all of it, or nothing.

From `open_stores` on the default store of this process is the target, so that migrations do there what they always do.
What is to be copied is `SOURCE`, which nobody else can open meanwhile. Values pass through the fields of the models,
and each table is read back and compared before the one transaction ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Field, GenericIPAddressField, JSONField, Max, Model

from z4j_brain.lib import bulk, schema
from z4j_brain.settings import database
from z4j_brain.tasks import partitions
from z4j_brain.tasks.models import Event

SOURCE = "source"
CHUNK = 2_000
#: Signing in again is all that it costs, and a session is worth nothing elsewhere.
LEFT = (Session,)
#: Rows that migrating makes by itself; those of the source take their place, since other rows refer to them.
PREFILLED = (Permission, ContentType)
#: Fields whose values are not what the driver takes. All others are: texts, numbers, times, UUIDs.
CHANGED = (JSONField, GenericIPAddressField)
#: Days of events that get a partition of their own; what is older goes into the default one.
DAYS = 400
#: No table of a model: the index over the texts of tasks.
WORDS = "tasks_words"

_BESIDE = "PRAGMA query_only=ON;"
#: Fails where anybody has the file open, and lets nobody open it until this process ends.
_ALONE = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"

Table = type[Model]
Tell = Callable[[str], None]


class CannotCopy(Exception):
    """Nothing was copied, and here is why."""


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows a table has, and a checksum that knows no order."""

    rows: int = 0
    checksum: int = 0

    def plus(self, row: tuple[Any, ...]) -> Sum:
        return Sum(self.rows + 1, (self.checksum + hash(_frozen(row))) % 2**64)


def open_stores(url: str, *, alone: bool) -> None:
    """Make `url` the default store, and what was the default the source. `alone`: nobody else may have that open."""
    here: dict[str, Any] = settings.DATABASES[DEFAULT_DB_ALIAS]
    if "sqlite3" not in here["ENGINE"]:
        raise CannotCopy("This brain is on PostgreSQL already: leave Z4J_DATABASE_URL out, so that it is on SQLite.")
    if not Path(here["NAME"]).exists():
        raise CannotCopy(f"There is no {here['NAME']}: Z4J_DATA_DIR names the folder of the installation.")
    options = {**here["OPTIONS"], "timeout": 2, "init_command": _ALONE if alone else _BESIDE}
    stores = {
        DEFAULT_DB_ALIAS: {**database(url), "OPTIONS": {"connect_timeout": 10}},
        SOURCE: here | {"OPTIONS": options},
    }
    connection.close()
    connections.settings.update(connections.configure_settings(stores))
    del connections[DEFAULT_DB_ALIAS]
    bulk.on_postgres.cache_clear()
    _look()


def _look() -> None:
    """Can both be reached, and is what is there what it should be?"""
    try:
        executor = MigrationExecutor(connections[SOURCE])
    except OperationalError as error:
        raise CannotCopy(f"Somebody has the installation open: stop the brain first ({error}).") from error
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CannotCopy("The installation is of an older release: start this brain on it once, and stop it.")
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise CannotCopy(f"The target cannot be reached: {error}") from error
    _refuse_data()


def _refuse_data() -> None:
    for table in tables():
        if table not in PREFILLED and _has_rows(table._meta.db_table):
            raise CannotCopy(f"The target is not empty: {table._meta.db_table} has rows. Take a new database.")


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [_quoted(name)])
        return bool(cursor.fetchone()[0])


def _has_rows(name: str) -> bool:
    if not _exists(name):
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {_quoted(name)})")  # noqa: S608
        return bool(cursor.fetchone()[0])


def tables() -> list[Table]:
    """Every table of every installed app, those that others refer to first."""
    every = {
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped
    }
    order: TopologicalSorter[Table] = TopologicalSorter()
    for model in sorted(every, key=lambda model: model._meta.label):
        referred = {field.related_model for field in model._meta.local_concrete_fields if field.is_relation}
        order.add(model, *(other for other in referred if other in every and other is not model))
    return list(order.static_order())


def counts() -> dict[str, int]:
    """What would be copied: rows by table."""
    wanted = (table for table in tables() if table not in LEFT)
    return {table._meta.db_table: table._base_manager.using(SOURCE).count() for table in wanted}


def copy(tell: Tell) -> None:
    """Bring the target's schema up to date and copy every row, or none. `tell` hears of each table."""
    schema.migrate()
    table = None
    try:
        with transaction.atomic(using=SOURCE), transaction.atomic():
            _refuse_data()
            _prepare()
            for table in tables():
                if table in LEFT:
                    tell(f"{table._meta.db_table}: left out")
                    continue
                tell(f"{table._meta.db_table}: {_copy(table, tell).rows:,} rows")
            if _exists(WORDS):
                _copy_words()
    except (DatabaseError, psycopg.Error) as error:  # what COPY says at its end comes as the driver says it
        raise CannotCopy(f"{table._meta.db_table if table else 'The target'}: {error}") from error
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _prepare() -> None:
    with connection.cursor() as cursor:
        # References are looked at after each table, not kept in memory for the end of the whole.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in PREFILLED:
            cursor.execute(f"DELETE FROM {_quoted(table._meta.db_table)}")  # noqa: S608
        for day in _days():
            cursor.execute(partitions.definition(day).replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))


def _days() -> list[date]:
    """The days on which events arrived that are there."""
    first = datetime.now(UTC).date() - timedelta(days=DAYS)
    days = Event._base_manager.using(SOURCE).order_by().values_list("received_at__date", flat=True).distinct()
    return sorted(day for day in days if day >= first)


def _copy(table: Table, tell: Tell) -> Sum:
    """One table, read back and compared."""
    fields = [field for field in table._meta.local_concrete_fields if not field.generated]
    names = [field.attname for field in fields]
    columns = ", ".join(_quoted(str(field.column)) for field in fields)
    there, sent = f"{_quoted(table._meta.db_table)} ({columns})", Sum()
    rows = table._base_manager.using(SOURCE).order_by("pk").values_list(*names).iterator(CHUNK)
    changed = [(number, field) for number, field in enumerate(fields) if isinstance(field, CHANGED)]
    with connection.cursor() as cursor, cursor.copy(f"COPY {there} FROM STDIN") as stream:
        for row in rows:
            stream.write_row(_stored(row, changed))
            sent = sent.plus(row)
            if sent.rows % 100_000 == 0:
                tell(f"{table._meta.db_table}: {sent.rows:,} rows so far")
    arrived = Sum()
    for row in table._base_manager.order_by().values_list(*names).iterator(CHUNK):
        arrived = arrived.plus(row)
    if arrived != sent:
        raise CannotCopy(f"{table._meta.db_table}: what arrived ({arrived}) is not what was sent ({sent}).")
    _go_on_counting(table)
    return sent


def _stored(row: tuple[Any, ...], changed: Sequence[tuple[int, Field[Any, Any]]]) -> list[Any]:
    """The row as the driver of the target takes it."""
    values, target = list(row), connections[DEFAULT_DB_ALIAS]
    for number, field in changed:
        values[number] = field.get_db_prep_save(values[number], target)
    return values


def _go_on_counting(table: Table) -> None:
    """No new row gets an id that a row of the source has, or ever had."""
    key = table._meta.auto_field
    if key is None or key not in table._meta.local_concrete_fields:
        return
    name = table._meta.db_table
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [name])
        used = cursor.fetchone()
    highest = table._base_manager.using(SOURCE).aggregate(last=Max("pk"))["last"]
    if last := max(used[0] if used else 0, highest or 0):
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [_quoted(name), key.column, last])


def _copy_words() -> None:
    """The index over texts: the same words, as the other store holds them."""
    with connections[SOURCE].cursor() as old, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE words_copied (task_id bigint, words text) ON COMMIT DROP")
        old.execute(f"SELECT rowid, words FROM {WORDS}")  # noqa: S608
        with cursor.copy("COPY words_copied FROM STDIN") as stream:
            while rows := old.fetchmany(CHUNK):
                for row in rows:
                    stream.write_row(row)
        cursor.execute(
            f"INSERT INTO {WORDS} (environment_id, task_id, words) "  # noqa: S608
            "SELECT t.environment_id, t.id, array_to_tsvector(string_to_array(c.words, ' ')) "
            "FROM words_copied c JOIN tasks_task t ON t.id = c.task_id"
        )


def _frozen(value: Any) -> Any:
    """The value as something that has a hash, equal for what is equal."""
    kind = type(value)
    if kind is dict:
        return frozenset([(key, _frozen(part)) for key, part in value.items()])
    if kind is list or kind is tuple:
        return tuple([_frozen(part) for part in value])
    return bytes(value) if kind is memoryview else value


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
