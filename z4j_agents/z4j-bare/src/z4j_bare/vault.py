"""The originals of tasks, on the user's side, for a retry with the same arguments; their key never travels.

AES-256-GCM under a key derived from the DSN's secret; the task id is authenticated with each record, so a record moved
to another task does not open. The brain only learns the vault's random id: who could answer for which task.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from z4j_bare.clock import now
from z4j_bare.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS original (
    id INTEGER PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
MAX_RECORD: Final = 256 * 1024
MAX_SIZE: Final = 512 * 1024 * 1024
MAX_AGE: Final = 7 * 24 * 3600 * 1_000_000
#: Seconds between two looks at what is too old.
PRUNE_EVERY: Final = 300
NONCE: Final = 12


class Vault:
    """Records are replaced by task id: the newest original of a task counts."""

    def __init__(self, path: Path, key: bytes, *, cap: int = MAX_SIZE) -> None:
        self.file = Database(path, SCHEMA, patience=2.0)
        self._cipher = AESGCM(key)
        self._cap = cap
        self._id = ""
        self._prune_at = 0.0

    @property
    def id(self) -> str:
        """Random, made once, kept in the vault: it tells vaults apart and nothing else."""
        if not self._id:
            self._id = self.file.write(_identify)
        return self._id

    def keep(self, originals: Sequence[tuple[str, bytes]]) -> None:
        moment = now()
        sealed = [(task_id, moment, self._seal(task_id, blob)) for task_id, blob in originals]
        self.file.write(lambda db: self._keep(db, sealed))
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            self.file.write(lambda db: db.execute("DELETE FROM original WHERE at < ?", (now() - MAX_AGE,)))

    def original(self, task_id: str) -> bytes | None:
        """None: never kept, too old, or not written with this key for this task."""
        query = "SELECT sealed FROM original WHERE task_id = ? AND at >= ?"
        found = self.file.read(lambda db: db.execute(query, (task_id, now() - MAX_AGE)).fetchone())
        if found is None:
            return None
        try:
            return self._cipher.decrypt(found[0][:NONCE], found[0][NONCE:], _bound_to(task_id))
        except InvalidTag:
            return None

    def _seal(self, task_id: str, blob: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, blob, _bound_to(task_id))

    def _keep(self, db: sqlite3.Connection, sealed: Iterable[tuple[str, int, bytes]]) -> None:
        # A replaced record gets a new id, so that ids grow with age and the oldest is the lowest.
        db.executemany("INSERT OR REPLACE INTO original (task_id, at, sealed) VALUES (?, ?, ?)", sealed)
        while (
            _used(db) > self._cap
            and db.execute("DELETE FROM original WHERE id IN (SELECT id FROM original ORDER BY id LIMIT 100)").rowcount
        ):
            pass


def _bound_to(task_id: str) -> bytes:
    return b"z4j/vault/v1\0" + task_id.encode("utf-8", "surrogatepass")


def _identify(db: sqlite3.Connection) -> str:
    db.execute("INSERT OR IGNORE INTO fact VALUES ('id', ?)", (uuid.uuid4().hex,))
    return str(db.execute("SELECT value FROM fact WHERE name = 'id'").fetchone()[0])


def _used(db: sqlite3.Connection) -> int:
    size, pages, free = (db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("page_size", "page_count", "freelist_count"))
    return int(size * (pages - free))
