"""On PostgreSQL the events of each day (UTC, by when they arrived) are a partition of their own.

A day that is no longer kept is dropped in a moment, where deleting its rows would take as long as writing them did.
Partitions are made a week ahead; should nobody have made one in time, the default partition takes the events.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from z4j_brain.lib import bulk

TABLE = "tasks_event"
#: Days for which partitions stand ready.
AHEAD = 7
#: The transaction-wide advisory lock of whoever makes or drops partitions: "z4jp" in ASCII.
LOCK = 0x7A346A70


def ensure(today: date | None = None) -> None:
    """Make the partitions of today and the days to come that are not there yet. Nothing to do on SQLite."""
    if not bulk.on_postgres():
        return
    today = today or datetime.now(UTC).date()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        there = _days()
        for ahead in range(AHEAD + 1):
            day = today + timedelta(days=ahead)
            if day not in there and not _is_in_default(day):
                cursor.execute(definition(day))


def drop(before: date) -> list[date]:
    """Drop the partitions of the days before this one; return those days."""
    if not bulk.on_postgres():
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        days = [day for day in _days() if day < before]
        for day in days:
            cursor.execute(f"DROP TABLE {_name(day)}")
    return days


def definition(day: date) -> str:
    """The statement that makes the partition of a day."""
    return (
        f"CREATE TABLE {_name(day)} PARTITION OF {TABLE} "
        f"FOR VALUES FROM ('{_midnight(day)}') TO ('{_midnight(day + timedelta(days=1))}')"
    )


def _days() -> list[date]:
    """The days that have a partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = %s::regclass AND c.relname <> %s ORDER BY c.relname",
            [TABLE, f"{TABLE}_default"],
        )
        return [datetime.strptime(name[-8:], "%Y%m%d").date() for (name,) in cursor.fetchall()]


def _is_in_default(day: date) -> bool:
    """Events of a day that came before its partition was made stay where they are, and so do the rest of that day."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM {TABLE}_default WHERE received_at >= %s AND received_at < %s)",  # noqa: S608
            [_midnight(day), _midnight(day + timedelta(days=1))],
        )
        return bool(cursor.fetchone()[0])


def _name(day: date) -> str:
    return f"{TABLE}_{day:%Y%m%d}"


def _midnight(day: date) -> str:
    return f"{day:%Y-%m-%d} 00:00:00+00"
