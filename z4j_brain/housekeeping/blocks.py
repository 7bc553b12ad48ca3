"""Events on PostgreSQL, where they lie in partitions by day without a key of their own.

A day that no environment keeps is dropped whole. Where one environment keeps less than another, its events are deleted
from the days that stay: the partition is walked once, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from django.db import ProgrammingError, connection, transaction

from z4j_brain.rbac.retention import Piece
from z4j_brain.tasks import partitions

_DEFAULT = f"{partitions.TABLE}_default"
#: A block of 8 KiB holds some twenty events.
_ROWS_A_BLOCK = 20


class EventBlocks:
    name: ClassVar[str] = "events"
    title: ClassVar[str] = "Events of tasks"
    days: ClassVar[str] = "events_days"

    def pieces(self, environment_id: int, before: datetime | None, after: str, size: int) -> Iterator[Piece]:
        """Days in order, and last whatever came for a day that had no partition."""
        behind, _, block = after.partition(":")
        step = max(size // _ROWS_A_BLOCK, 1)
        for table, blocks in _tables(before):
            if table < behind:
                continue
            for start in range(int(block) if table == behind else 0, blocks, step):
                yield Blocks(table, start, start + step, environment_id, before)


@dataclass(frozen=True, slots=True)
class Blocks:
    table: str
    start: int
    end: int
    environment_id: int
    before: datetime | None

    @property
    def mark(self) -> str:
        return f"{self.table}:{self.end}"

    def count(self) -> int:
        return int(self._run("SELECT count(*)") or 0)

    def oldest(self) -> datetime | None:
        found: datetime | None = self._run("SELECT min(received_at)")
        return found

    def remove(self) -> int:
        return int(self._run("WITH gone AS (DELETE", "RETURNING 1) SELECT count(*) FROM gone") or 0)

    def is_clean(self) -> bool:
        """A day that is over gets no more events. The default partition may: it is walked each time."""
        return self.table != _DEFAULT

    def _run(self, what: str, end: str = "") -> Any:
        """What a statement on these events says; None where somebody has dropped the day meanwhile."""
        old = "AND received_at < %s" if self.before else ""
        sql = f"{what} FROM {self.table} WHERE ctid >= %s::tid AND ctid < %s::tid AND environment_id = %s {old} {end}"
        values = [f"({self.start},0)", f"({self.end},0)", self.environment_id, *([self.before] if self.before else ())]
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchone()[0]
        except ProgrammingError:
            return None


def shares(before: date) -> dict[int, int]:
    """How many events of each environment lie in whole days before this one."""
    found: dict[int, int] = {}
    with connection.cursor() as cursor:
        for table, _ in _tables(None):
            if table < _name(before):
                cursor.execute(f"SELECT environment_id, count(*) FROM {table} GROUP BY environment_id")  # noqa: S608
                for environment_id, count in cursor.fetchall():
                    found[environment_id] = found.get(environment_id, 0) + count
    return found


def _tables(before: datetime | None) -> list[tuple[str, int]]:
    """The partitions, with their sizes in blocks, that may hold events from before this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_relation_size(c.oid) / current_setting('block_size')::int FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY c.relname",
            [partitions.TABLE],
        )
        tables = cursor.fetchall()
    return [(name, blocks) for name, blocks in tables if before is None or name == _DEFAULT or name < _name(before)]


def _name(day: date) -> str:
    return f"{partitions.TABLE}_{day:%Y%m%d}"
