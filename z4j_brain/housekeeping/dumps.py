"""The store as a file, and a file as the store: SQLite by its own online backup, PostgreSQL by pg_dump and pg_restore.

A dump is of one moment, while the brain goes on, and what is said of it (`Said`) is of the very same moment.
"""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import subprocess  # noqa: S404
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from z4j_core import note

from z4j_brain.housekeeping.archive import Head

#: Beside the store's own data, nothing of who owns it here: that is the business of where it is restored.
PLAIN = ("--no-owner", "--no-privileges")
#: Fails where anybody has the file open.
_ALONE = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
_HEAD = "SELECT generation, note FROM ledger_checkpoint ORDER BY generation DESC, size DESC LIMIT 1"
_MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"

Ask = Callable[[str], list[tuple[Any, ...]]]


class CannotDump(Exception):
    """The store cannot be written to a file, or read from one, and here is why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a dump has: the head of its audit log (None: nothing was sealed yet), and the migrations it went through."""

    head: Head | None
    migrations: list[str]


def dump(file: Path) -> Said:
    """Write the store to a new file."""
    return _dump_sqlite(file) if connection.vendor == "sqlite" else _dump_postgresql(file)


def _dump_sqlite(file: Path) -> Said:
    if not _sqlite_file().exists():
        raise CannotDump(f"There is no {_sqlite_file()}: Z4J_DATA_DIR names the folder of the installation.")
    connection.ensure_connection()
    with closing(sqlite3.connect(file)) as copy:
        connection.connection.backup(copy)
        if (found := copy.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise CannotDump(f"The database is damaged: {found}")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it
        return _said(lambda statement: copy.execute(statement).fetchall())


def _dump_postgresql(file: Path) -> Said:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

        def ask(statement: str) -> list[tuple[Any, ...]]:
            cursor.execute(statement)
            return list(cursor.fetchall())

        try:
            said = _said(ask)
        except DatabaseError as error:
            raise CannotDump(f"There is no installation in this database: {error}") from error
        [(moment,)] = ask("SELECT pg_export_snapshot()")
        _run("pg_dump", "--format=custom", *PLAIN, f"--snapshot={moment}", f"--file={file}")
    return said


def _said(ask: Ask) -> Said:
    head = None
    for generation, text in ask(_HEAD):
        try:
            point = note.read(text).checkpoint
        except note.BadNote as error:
            raise CannotDump(f"The newest checkpoint of the audit log is no note: {error}") from error
        head = Head(point.origin, generation, point.size, base64.b64encode(point.root).decode(), text)
    return Said(head, [f"{app}.{name}" for app, name in ask(_MIGRATIONS)])


def is_there() -> bool:
    """Whether the store that is configured here has anything in it."""
    if connection.vendor == "sqlite":
        return _sqlite_file().exists()
    [(tables,)] = _asked("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    return bool(tables)


def refuse_company() -> None:
    """Raises where somebody else has the store open."""
    try:
        others = _sqlite_is_open() if connection.vendor == "sqlite" else _sessions()
    except sqlite3.DatabaseError as error:
        raise CannotDump(f"{_sqlite_file()} is no database: {error}") from error
    if others:
        raise CannotDump("Somebody has the installation open: stop every process of the brain first.")


@contextmanager
def loaded(file: Path, aside: str) -> Iterator[None]:
    """The store is what the file has; when the body raises, it is again what it was.

    What was there is kept: as a file or a schema whose name begins with `aside`.
    """
    with (_loaded_sqlite if connection.vendor == "sqlite" else _loaded_postgresql)(file, aside):
        yield


@contextmanager
def _loaded_sqlite(file: Path, aside: str) -> Iterator[None]:
    path = _sqlite_file()
    before = path.with_name(f"{aside}.sqlite3") if path.exists() else None
    connection.close()
    if before:
        os.replace(path, before)
    try:
        os.replace(file, path)
        yield
    except BaseException:
        connection.close()
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        if before:
            os.replace(before, path)
        raise


@contextmanager
def _loaded_postgresql(file: Path, aside: str) -> Iterator[None]:
    before = connection.ops.quote_name(aside) if is_there() else ""
    if before:
        _do(f"ALTER SCHEMA public RENAME TO {before}", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC")
    try:
        name = str(connection.settings_dict["NAME"])
        _run("pg_restore", "--single-transaction", "--exit-on-error", *PLAIN, f"--dbname={name}", str(file))
        yield
    except BaseException:
        _do("DROP SCHEMA public CASCADE")
        if before:
            _do(f"ALTER SCHEMA {before} RENAME TO public")
        else:
            _do("CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC")
        raise


def without_pool() -> None:
    """One connection to the store and no other of ours, so that whoever else is there can be seen."""
    if connection.vendor == "postgresql":
        here = connections.settings[DEFAULT_DB_ALIAS]
        connection.close()
        connections.settings[DEFAULT_DB_ALIAS] = here | {"OPTIONS": {"connect_timeout": 10}}
        del connections[DEFAULT_DB_ALIAS]


def _sqlite_file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _sqlite_is_open() -> bool:
    try:
        with closing(sqlite3.connect(_sqlite_file(), timeout=1)) as alone:
            alone.executescript(_ALONE)
            alone.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return True
    return False


def _sessions() -> int:
    [(others,)] = _asked(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    return int(others)


def _asked(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _run(program: str, *arguments: str) -> None:
    """A program of PostgreSQL's, told by its environment where the database is: nobody sees the password in a list."""
    path = shutil.which(program)
    if path is None:
        raise CannotDump(
            f"{program} is not on this machine: install PostgreSQL's client programs, of its release or newer. "
            f"By hand, elsewhere: {program} {' '.join((arguments[0], *PLAIN))}; Z4J_DATA_DIR has the keys and secrets."
        )
    told = connection.settings_dict
    named = {"PGHOST": told["HOST"], "PGPORT": told["PORT"], "PGUSER": told["USER"], "PGPASSWORD": told["PASSWORD"]}
    environment = os.environ | {name: str(value) for name, value in named.items() if value}
    environment["PGDATABASE"] = str(told["NAME"])
    done = subprocess.run([path, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise CannotDump(f"{program} failed: {done.stderr.strip() or done.returncode}")
