"""A small durable map for adapters: live revokes, pauses, overrides. Shared by all workers of one key and host."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

from z4j_core import safety

from z4j_bare.database import Database

SCHEMA: Final = "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value BLOB NOT NULL)"


class State:
    """Fills `z4j_core.engine.Store`. Asked from hooks: nothing here raises, and a busy file is not waited for long."""

    def __init__(self, place: Callable[[], Path]) -> None:
        self._place = place

    @cached_property
    def file(self) -> Database:
        """Opened when first used: an adapter that is only installed leaves no file."""
        return Database(self._place(), SCHEMA, patience=0.5)

    def get(self, key: str) -> bytes | None:
        with safety.guard("state.get"):
            found = self.file.read(lambda db: db.execute("SELECT value FROM entry WHERE key = ?", (key,)).fetchone())
            return bytes(found[0]) if found else None
        return None

    def put(self, key: str, value: bytes) -> None:
        statement = "INSERT INTO entry VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        with safety.guard("state.put"):
            self.file.write(lambda db: db.execute(statement, (key, value)))

    def delete(self, key: str) -> None:
        with safety.guard("state.delete"):
            self.file.write(lambda db: db.execute("DELETE FROM entry WHERE key = ?", (key,)))

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        query = "SELECT key, value FROM entry WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key"
        with safety.guard("state.items"):
            return self.file.read(lambda db: db.execute(query, (prefix,)).fetchall())
        return []
