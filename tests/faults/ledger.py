"""What really happened: every task of the soak and its end. It is to its workers what a broker is to an engine, and to
the test the truth that the brain's word is held against.

A file that outlives whoever is killed while writing to it. A task is made before anything is told of it, and done when
all of it is on the disk of its agent: whoever is killed in between runs it once more, as engines do that acknowledge
late.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, queue TEXT NOT NULL, end TEXT NOT NULL, attempts INTEGER NOT NULL,
    retry_of TEXT NOT NULL, schedule TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 1, run INTEGER NOT NULL DEFAULT 0,
    taken_by TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS task_open ON task (taken_by) WHERE NOT done;
CREATE TABLE IF NOT EXISTS closed (at REAL NOT NULL)
"""
COLUMNS = "id, name, queue, end, attempts, retry_of, schedule, run"
#: How many of a hundred tasks fail for good, and how many of a hundred are tried more than once.
FAIL, RETRY = 15, 10
NAMES, QUEUES = 6, 3


@dataclass(frozen=True)
class Task:
    """`end`: succeeded or failed. `attempts`: how many tries came before the last. `run`: when this run of it began."""

    id: str
    name: str
    queue: str
    end: str
    attempts: int
    retry_of: str
    schedule: str
    run: int


class Ledger:
    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self.ask("PRAGMA journal_mode = WAL")
        self.ask("PRAGMA synchronous = NORMAL")
        with self._lock:
            self._file.executescript(SCHEMA)

    def ask(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._file.execute(statement, values).fetchall()

    def send(self, task_id: str, name: str, queue: str, *, retry_of: str = "", schedule: str = "") -> None:
        """Into its queue. A second time under the same id is counted: it must not happen."""
        chance = random.Random(task_id)
        end = "failed" if chance.randrange(100) < FAIL else "succeeded"
        attempts = chance.randint(1, 2) if chance.randrange(100) < RETRY else 0
        statement = "INSERT INTO task (id, name, queue, end, attempts, retry_of, schedule) VALUES (?, ?, ?, ?, ?, ?, ?)"
        statement += " ON CONFLICT DO UPDATE SET sent = sent + 1"
        self.ask(statement, task_id, name, queue, end, attempts, retry_of, schedule)

    def make(self, number: int) -> None:
        """New work, unless the shop is closed."""
        for _ in range(0 if self.is_closed() else number):
            task_id = str(uuid.uuid4())
            chance = random.Random(task_id)
            self.send(task_id, f"shop.task{chance.randrange(NAMES)}", f"queue{chance.randrange(QUEUES)}")

    def take(self, who: str, number: int) -> list[Task]:
        """What this worker was in the middle of, and what waits."""
        mine = f"SELECT {COLUMNS} FROM task WHERE taken_by = ? AND NOT done LIMIT ?"
        found = [Task(*row) for row in self.ask(mine, who, number) or self._claim(who, number)]
        begun = [Task(**vars(task) | {"run": max(time.time_ns() // 1000, task.run + 1)}) for task in found]
        for task in begun:
            self.ask("UPDATE task SET run = ? WHERE id = ?", task.run, task.id)
        return begun

    def _claim(self, who: str, number: int) -> list[Any]:
        waiting = "SELECT id FROM task WHERE taken_by = '' AND NOT done LIMIT ?"
        return self.ask(f"UPDATE task SET taken_by = ? WHERE id IN ({waiting}) RETURNING {COLUMNS}", who, number)

    def done(self, tasks: list[Task]) -> None:
        for task in tasks:
            self.ask("UPDATE task SET done = 1 WHERE id = ?", task.id)

    def knows(self, task_id: str) -> bool:
        return bool(self.ask("SELECT 1 FROM task WHERE id = ?", task_id))

    def close_shop(self) -> None:
        self.ask("INSERT INTO closed VALUES (?)", time.time())

    def is_closed(self) -> bool:
        return bool(self.ask("SELECT 1 FROM closed"))

    def count(self, which: str = "1") -> int:
        return int(self.ask(f"SELECT count(*) FROM task WHERE {which}")[0][0])
