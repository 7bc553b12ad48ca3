"""What this host remembers of the brain's log, outside the brain's reach: the last checkpoint, and any alarm.

One file for all workers of a key and host. It is on the disk before anything is done because of it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from z4j_core.note import Checkpoint

from z4j_bare.clock import now
from z4j_bare.database import Database

#: Its file, in the folder of the key.
WITNESS: Final = "witness.db"
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS head (
    one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS alarm (
    one INTEGER PRIMARY KEY CHECK (one = 1), kind TEXT NOT NULL, text TEXT NOT NULL, evidence TEXT NOT NULL,
    since INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS recovery (one INTEGER PRIMARY KEY CHECK (one = 1), keys TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS acceptance (
    word TEXT PRIMARY KEY, generation INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0
)
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The last checkpoint that was shown and proven, and the note that says so."""

    point: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the brain has shown that is not believed, since when, and the file that was kept of it."""

    kind: str
    text: str
    evidence: str
    since: int


class Remembered:
    """Each method is one transaction. Raises Unavailable when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.file = Database(path, SCHEMA)

    def head(self) -> Head | None:
        return self.file.read(_head)

    def begin(self, head: Head, recovery: str) -> bool:
        """Remember the first checkpoint, and the recovery keys that count from now on. False: there is one already."""

        def work(db: sqlite3.Connection) -> bool:
            if _head(db) is not None:
                return False
            _put(db, head)
            db.execute("INSERT OR IGNORE INTO recovery VALUES (1, ?)", (recovery,))
            return True

        return self.file.write(work, durable=True)

    def move(self, known: Head, head: Head) -> bool:
        """Remember this one in place of what was known. False: another worker has moved on meanwhile."""

        def work(db: sqlite3.Connection) -> bool:
            found = _head(db)
            if found is None or found.point != known.point:
                return False
            _put(db, head)
            return True

        return self.file.write(work, durable=True)

    def recovery(self) -> str:
        """The recovery keys as they were when the first checkpoint was remembered."""
        found = self.file.read(lambda db: db.execute("SELECT keys FROM recovery").fetchone())
        return str(found[0]) if found else ""

    def alarm(self) -> Alarm | None:
        found = self.file.read(lambda db: db.execute("SELECT kind, text, evidence, since FROM alarm").fetchone())
        return Alarm(*found) if found else None

    def raise_alarm(self, kind: str, text: str, place: str) -> None:
        """Where there is one already, the first one stays."""
        statement = "INSERT OR IGNORE INTO alarm VALUES (1, ?, ?, ?, ?)"
        self.file.write(lambda db: db.execute(statement, (kind, text, place, now())), durable=True)

    def end_alarm(self, *kinds: str) -> bool:
        """End it, if it is of one of these kinds; of any when none is named. True: there was one."""
        marks = ", ".join("?" * len(kinds))
        statement = f"DELETE FROM alarm WHERE kind IN ({marks})" if kinds else "DELETE FROM alarm"  # noqa: S608
        return self.file.write(lambda db: db.execute(statement, kinds).rowcount == 1, durable=True)

    def accept(self, word: str) -> bool:
        """The owner accepts what the brain shows of this generation: that ends an alarm. True: it was not said before.

        `word`: the generation's number, or that, a colon and a size: another size is another word, for another alarm.
        Of the generation that is known, what was remembered is forgotten: what is shown next takes its place.
        """

        generation = int(word.partition(":")[0])

        def work(db: sqlite3.Connection) -> bool:
            values = (word, generation)
            new = db.execute("INSERT OR IGNORE INTO acceptance (word, generation) VALUES (?, ?)", values).rowcount == 1
            head = _head(db)
            if new:
                db.execute("DELETE FROM alarm")
            if new and head is not None and generation_of(head.point.origin) == generation:
                db.execute("DELETE FROM head")
                db.execute("UPDATE acceptance SET used = 1 WHERE generation = ?", (generation,))
            return new

        return self.file.write(work, durable=True)

    def take_acceptance(self, generation: int) -> bool:
        """Whether the owner has accepted this generation. Once: it is not accepted a second time by the same word."""
        statement = "UPDATE acceptance SET used = 1 WHERE generation = ? AND NOT used"
        return self.file.write(lambda db: db.execute(statement, (generation,)).rowcount > 0, durable=True)


def generation_of(origin: str) -> int | None:
    """The number at the end of a log's name."""
    number = origin.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def _head(db: sqlite3.Connection) -> Head | None:
    found = db.execute("SELECT origin, size, root, note FROM head").fetchone()
    return Head(Checkpoint(found[0], found[1], bytes(found[2])), found[3]) if found else None


def _put(db: sqlite3.Connection, head: Head) -> None:
    point = head.point
    values = (point.origin, point.size, point.root, head.note)
    db.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?)", values)
