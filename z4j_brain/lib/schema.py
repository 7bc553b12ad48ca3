"""Bringing the database up to date at the start, and telling one that nobody has."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

#: Any number that no other program uses in the same database: "z4j" in ASCII.
ADVISORY_LOCK = 0x7A346A


def migrate() -> None:
    """Apply what is missing; a database that is up to date costs one look. Of two starters, one waits for the other."""
    with alone():
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            sys.stdout.write("z4j prepares its database: that takes a moment.\n")
            sys.stdout.flush()
            call_command("migrate", verbosity=0, interactive=False)
    connection.close()


def is_missing(error: BaseException) -> bool:
    """Does the error say that the database has none of our tables yet?"""
    missing = "no such table" in str(error) or type(error.__cause__).__name__ == "UndefinedTable"
    return isinstance(error, DatabaseError) and missing


@contextmanager
def alone() -> Iterator[None]:
    """One starter at a time, on this machine and, by PostgreSQL, on all."""
    with (settings.Z4J_DATA_DIR / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:  # other processes may run on other machines
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
