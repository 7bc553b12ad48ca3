"""What this host has been told to do, and what became of it: a command is carried out once, however often it arrives.

An entry is kept until its command has been expired for a day; never evicted to make room, for then a command that
arrives again would be carried out again. When the journal cannot be written, nothing is carried out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from z4j_core import wire

from z4j_bare.clock import now
from z4j_bare.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY, boot TEXT NOT NULL, fence INTEGER NOT NULL, tries INTEGER NOT NULL, expires INTEGER NOT NULL,
    results TEXT, sent INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS target (
    command TEXT NOT NULL, item INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (command, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS begun (
    command TEXT NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (command, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writer (boot TEXT PRIMARY KEY, seen INTEGER NOT NULL) WITHOUT ROWID
"""
KEEP: Final = 24 * 3600 * 1_000_000
#: How long a boot that has ended counts as one of those that write here; longer than any command waits.
KNOWN: Final = 30 * KEEP


class Superseded(Exception):
    """The command has been given to another worker of this host meanwhile, under a newer lease: that one goes on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`tries`: how often it was started before this. `results`: what was answered; None while it is not done.

    `settled`: the targets that were finished; `begun`: those that somebody was cut off in, and all that are not settled
    when it was given to somebody who does not write here.
    """

    tries: int
    results: list[wire.Result] | None
    settled: Mapping[int, wire.Result]
    begun: frozenset[int] = frozenset()


class Journal:
    def __init__(self, path: Path) -> None:
        self.file = Database(path, SCHEMA)

    def enter(self, boot: str) -> None:
        """From here on what this boot begins is written here: once in its life, before it is given its first command.

        Never again after that: what it began before its journal was lost is not in the new one.
        """
        self.file.write(
            lambda db: db.execute("INSERT OR IGNORE INTO writer VALUES (?, ?)", (boot, now())), durable=True
        )

    def start(self, command: wire.Command) -> Entry:
        """On the disk when this returns: from here on the command counts as tried. Raises Superseded."""
        return self.file.write(lambda db: _start(db, command), durable=True)

    def turn(self, command: wire.Command, ended: wire.Result | None, begins: int, *, durable: bool = False) -> None:
        """One target is finished, and another is about to be carried out. With the kernel when this returns, which
        survives the end of this process. Durable: on the disk, which also survives a loss of power. Raises Superseded.
        """
        if not self.file.write(lambda db: _turn(db, command, ended, begins), durable=durable):
            raise Superseded

    def done(self, command: wire.Command, results: Sequence[wire.Result]) -> None:
        self.file.write(lambda db: _done(db, command["id"], results), durable=True)

    def unsent(self) -> list[wire.Results]:
        """Answers the brain has not taken yet, of this boot and of those before it."""
        query = (
            "SELECT id, boot, fence, results FROM command WHERE results IS NOT NULL AND NOT sent ORDER BY id LIMIT 100"
        )
        return [
            wire.Results(v=wire.VERSION, boot=boot, command=command, fence=fence, results=json.loads(results))
            for command, boot, fence, results in self.file.read(lambda db: db.execute(query).fetchall())
        ]

    def sent(self, answer: wire.Results) -> None:
        """Unless it has been leased again meanwhile: then the newer lease is still to be answered."""
        values = (answer["command"], answer["fence"])
        self.file.write(lambda db: db.execute("UPDATE command SET sent = 1 WHERE id = ? AND fence = ?", values))

    def prune(self, boot: str) -> None:
        """Forget what is old. `boot` is still there."""
        self.file.write(lambda db: _prune(db, boot))


def _start(db: sqlite3.Connection, command: wire.Command) -> Entry:
    found = db.execute("SELECT tries, results, fence FROM command WHERE id = ?", (command["id"],)).fetchone()
    tries, results, fence = found or (0, None, 0)
    if fence > command["fence"]:
        raise Superseded
    values = (command["audience"], command["fence"], command["expires"], command["id"])
    if found is None:
        db.execute("INSERT INTO command (boot, fence, expires, id, tries) VALUES (?, ?, ?, ?, 1)", values)
    elif results is None:
        db.execute("UPDATE command SET boot = ?, fence = ?, expires = ?, tries = tries + 1 WHERE id = ?", values)
    else:
        db.execute("UPDATE command SET boot = ?, fence = ?, expires = ?, sent = 0 WHERE id = ?", values)
    settled = db.execute("SELECT item, result FROM target WHERE command = ?", (command["id"],)).fetchall()
    if results is None and _was_elsewhere(db, command, fence):
        doubted = [(command["id"], target["item"]) for target in command["targets"]]
        db.executemany("INSERT OR IGNORE INTO begun VALUES (?, ?)", doubted)
    begun = db.execute("SELECT item FROM begun WHERE command = ?", (command["id"],)).fetchall()
    return Entry(
        tries=tries,
        results=json.loads(results) if results is not None else None,
        settled={item: json.loads(result) for item, result in settled},
        begun=frozenset(item for (item,) in begun),
    )


def _was_elsewhere(db: sqlite3.Connection, command: wire.Command, fence: int) -> bool:
    """Whether somebody may have begun it who does not write here.

    Fences count leases from 1, and `fence` is the last one that was started here. Those between are missing: lost on
    their way, or never come to, when a boot that writes here had them; for it writes before it begins.
    """
    missing = command["fence"] - fence - 1
    if missing <= 0:
        return False
    holders = command.get("held_by", [])[-missing:]
    known = [db.execute("SELECT 1 FROM writer WHERE boot = ?", (boot,)).fetchone() for boot in holders]
    return len(known) < missing or None in known


def _turn(db: sqlite3.Connection, command: wire.Command, ended: wire.Result | None, begins: int) -> bool:
    if ended is not None:
        values = (command["id"], ended["item"], json.dumps(ended))
        db.execute("INSERT OR REPLACE INTO target VALUES (?, ?, ?)", values)
        db.execute("DELETE FROM begun WHERE command = ? AND item = ?", values[:2])
    fence = db.execute("SELECT fence FROM command WHERE id = ?", (command["id"],)).fetchone()
    if fence is not None and fence[0] != command["fence"]:
        return False
    db.execute("INSERT OR IGNORE INTO begun VALUES (?, ?)", (command["id"], begins))
    return True


def _done(db: sqlite3.Connection, command: str, results: Sequence[wire.Result]) -> None:
    db.execute("UPDATE command SET results = ?, sent = 0 WHERE id = ?", (json.dumps(list(results)), command))
    db.execute("DELETE FROM target WHERE command = ?", (command,))
    db.execute("DELETE FROM begun WHERE command = ?", (command,))


def _prune(db: sqlite3.Connection, boot: str) -> None:
    db.execute("UPDATE writer SET seen = ? WHERE boot = ?", (now(), boot))
    db.execute("DELETE FROM writer WHERE seen < ?", (now() - KNOWN,))
    old = (now() - KEEP,)
    db.execute("DELETE FROM target WHERE command IN (SELECT id FROM command WHERE expires < ?)", old)
    db.execute("DELETE FROM begun WHERE command IN (SELECT id FROM command WHERE expires < ?)", old)
    db.execute("DELETE FROM command WHERE expires < ?", old)
