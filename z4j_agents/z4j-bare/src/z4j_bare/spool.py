"""The spool of one boot: every event from the moment it is written until the brain has answered for it.

A bounded SQLite file that all processes of the worker write and one sends from. Nothing leaves it uncounted:
created = accepted + duplicate + rejected + dropped + in the spool, at any moment, also after a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from z4j_core import wire

from z4j_bare import batch
from z4j_bare.batch import Frozen, Row
from z4j_bare.clock import now
from z4j_bare.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, weight INTEGER NOT NULL, at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS event_weight ON event (weight, seq);
CREATE TABLE IF NOT EXISTS batch (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, body BLOB
);
CREATE TABLE IF NOT EXISTS counter (
    fate TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (fate, kind, reason)
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
PAGE: Final = 4096
MEGABYTE: Final = 1024 * 1024
MAX_AGE: Final = 7 * 24 * 3600 * 1_000_000
#: Events looked at in one go when room has to be made.
SWEEP: Final = 200
INSERT: Final = "INSERT INTO event (kind, weight, at, body) VALUES (?, ?, ?, ?)"
TOGETHER: Final = 100

Losses = Mapping[tuple[str, str], int]


class Spool:
    def __init__(self, path: Path, boot: str, *, cap: int) -> None:
        self.boot = boot
        self._identity = ""
        # What the rows may take; the rest of the cap is for the log that SQLite writes first.
        self._budget = max(cap // 2, cap - 16 * MEGABYTE)
        self._chunk = min(self._budget // 8, 4 * MEGABYTE)
        log = max(min(1000, cap // 8 // PAGE), 8)
        pragmas = (f"PRAGMA wal_autocheckpoint={log}", f"PRAGMA journal_size_limit={log * PAGE}")
        self.file = Database(path, SCHEMA, pragmas=pragmas)

    def introduce(self, identity: wire.Identity) -> None:
        """Who sends: kept with the events, for whoever may have to send them."""
        self._identity = json.dumps(identity)

    def transactions(self, rows: Iterable[Row]) -> Iterable[list[Row]]:
        """`rows` in portions that one transaction may take without outgrowing the cap."""
        portion: list[Row] = []
        size = 0
        for row in rows:
            if portion and (size + len(row.body) > self._chunk or len(portion) >= 1000):
                yield portion
                portion, size = [], 0
            portion.append(row)
            size += len(row.body)
        if portion:
            yield portion

    def append(self, rows: Sequence[Row], lost: Losses) -> None:
        """Store new events in their order. `lost` were created too, but never got here: (kind, reason) -> number."""
        self.file.write(lambda db: self._append(db, rows, lost))

    def is_empty(self) -> bool:
        return not self.file.read(lambda db: db.execute("SELECT EXISTS (SELECT 1 FROM event)").fetchone()[0])

    def freeze(self) -> Frozen | None:
        """The oldest batch, its bytes fixed before they are first sent. None: there is nothing to send."""
        while True:
            chosen = self.file.write(_choose)
            if chosen is None:
                return None
            first, last, tries, body, rows, identity = chosen
            if body is None:
                body = batch.freeze(self.boot, identity, rows)
                if len(body) > wire.MAX_BODY and len(rows) > 1:
                    self.split(first)
                    continue
                self.file.write(
                    lambda db, b=body, f=first: db.execute(  # type: ignore[misc]
                        "UPDATE batch SET body = ? WHERE first = ?", (b, f)
                    )
                )
            return Frozen(first, last, tuple(seq for seq, _ in rows), body, tries)

    def tried(self, first: int) -> None:
        """Counted before each send, so that a brain which a batch crashes learns of it although we crash too."""
        self.file.write(lambda db: db.execute("UPDATE batch SET tries = tries + 1 WHERE first = ?", (first,)))

    def settle(self, frozen: Frozen, duplicates: Iterable[int], rejected: Mapping[int, str]) -> None:
        """The brain has answered for every event of this batch: they leave the spool."""
        sent = set(frozen.seqs)
        refused = {seq: code for seq, code in rejected.items() if seq in sent}
        double = (set(duplicates) & sent) - refused.keys()
        self.file.write(lambda db: _settle(db, frozen, double, refused))

    def split(self, first: int) -> None:
        """Two batches of half the size instead of one."""
        self.file.write(lambda db: _split(db, first))

    def expire(self) -> None:
        """Drop what is older than a week and not on its way."""
        self.file.write(lambda db: _drop(db, "at < ?", (now() - MAX_AGE,), "age"))

    def counters(self) -> dict[str, object]:
        return self.file.read(_counters)

    def dropped(self) -> dict[str, int]:
        """By reason."""
        query = "SELECT reason, sum(number) FROM counter WHERE fate = 'dropped' GROUP BY reason"
        return self.file.read(lambda db: dict(db.execute(query).fetchall()))

    def drops(self) -> dict[tuple[str, str], int]:
        """By kind and reason."""
        query = "SELECT kind, reason, number FROM counter WHERE fate = 'dropped'"
        return self.file.read(lambda db: {(kind, reason): number for kind, reason, number in db.execute(query)})

    def _append(self, db: sqlite3.Connection, rows: Sequence[Row], lost: Losses) -> None:
        _insert(db, rows)
        if self._identity:
            _set_fact(db, "identity", self._identity)
        _count(db, "created", len(rows) + sum(lost.values()))
        for (kind, reason), number in lost.items():
            _count(db, "dropped", number, kind, reason)
        while (over := _used(db) - self._budget) > 0 and self._sweep(db, over + self._budget // 32):
            pass

    @staticmethod
    def _sweep(db: sqlite3.Connection, over: int) -> bool:
        """Drop some of the oldest of the lowest weight. False: nothing is left that may be dropped."""
        found = db.execute(
            f"SELECT weight, seq, length(body) FROM event WHERE {FREE} ORDER BY weight, seq LIMIT {SWEEP}"  # noqa: S608
        ).fetchall()
        if not found:
            return False
        lowest, freed, last = found[0][0], 0, found[0][1]
        for weight, seq, size in found:
            if weight != lowest or freed > over:
                break
            freed, last = freed + size, seq
        _drop(db, "weight = ? AND seq <= ?", (lowest, last), "full")
        return True


#: Events on their way may have been accepted already: nobody drops them.
FREE: Final = "seq > (SELECT coalesce(max(last), 0) FROM batch)"


def _insert(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """A statement for many rows takes two thirds of the time of one for each."""
    whole = len(rows) // TOGETHER * TOGETHER
    for start in range(0, whole, TOGETHER):
        db.execute(INSERT + ", (?, ?, ?, ?)" * (TOGETHER - 1), [*chain.from_iterable(rows[start : start + TOGETHER])])
    db.executemany(INSERT, rows[whole:])


def _choose(
    db: sqlite3.Connection,
) -> tuple[int, int, int, bytes | None, list[tuple[int, bytes]], wire.Identity] | None:
    found = db.execute("SELECT first, last, tries, body FROM batch ORDER BY first LIMIT 1").fetchone()
    if found is None:
        rows: list[tuple[int, bytes]] = []
        size = 0
        for seq, body in db.execute("SELECT seq, body FROM event ORDER BY seq LIMIT ?", (wire.MAX_EVENTS,)):
            size += len(body) + 24
            if rows and size > batch.RAW:
                break
            rows.append((seq, body))
        if not rows:
            return None
        found = (rows[0][0], rows[-1][0], 0, None)
        db.execute("INSERT INTO batch (first, last) VALUES (?, ?)", found[:2])
    else:
        rows = db.execute(
            "SELECT seq, body FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq", (found[0], found[1])
        ).fetchall()
    return *found, rows, json.loads(_fact(db, "identity") or "{}")


def _settle(db: sqlite3.Connection, frozen: Frozen, double: set[int], refused: Mapping[int, str]) -> None:
    if not db.execute("DELETE FROM batch WHERE first = ? AND last = ?", (frozen.first, frozen.last)).rowcount:
        return  # settled already, by whoever adopted this spool in between
    db.execute("DELETE FROM event WHERE seq BETWEEN ? AND ?", (frozen.first, frozen.last))
    _count(db, "duplicate", len(double))
    for code, number in Counter(refused.values()).items():
        _count(db, "rejected", number, reason=code)
    _count(db, "accepted", len(frozen.seqs) - len(double) - len(refused))


def _split(db: sqlite3.Connection, first: int) -> None:
    found = db.execute("SELECT last FROM batch WHERE first = ?", (first,)).fetchone()
    if found is None:
        return
    seqs = [
        seq for (seq,) in db.execute("SELECT seq FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, found[0]))
    ]
    if len(seqs) < 2:
        return
    middle = len(seqs) // 2
    db.execute("UPDATE batch SET last = ?, tries = 0, body = NULL WHERE first = ?", (seqs[middle - 1], first))
    db.execute("INSERT INTO batch (first, last) VALUES (?, ?)", (seqs[middle], found[0]))


def _drop(db: sqlite3.Connection, where: str, values: tuple[int, ...], reason: str) -> None:
    where = f"{where} AND {FREE}"
    for kind, number in db.execute(f"SELECT kind, count(*) FROM event WHERE {where} GROUP BY kind", values).fetchall():  # noqa: S608
        _count(db, "dropped", number, kind, reason)
    db.execute(f"DELETE FROM event WHERE {where}", values)  # noqa: S608


def _counters(db: sqlite3.Connection) -> dict[str, object]:
    """One statement, so that the numbers belong together although others write."""
    found = db.execute(
        "SELECT fate, reason, sum(number) FROM counter GROUP BY fate, reason "
        "UNION ALL SELECT 'spooled', '', count(*) FROM event"
    ).fetchall()
    totals = Counter[str]()
    for fate, _, number in found:
        totals[fate] += number
    names = ("created", "accepted", "duplicate", "rejected", "spooled")
    dropped = {reason: number for fate, reason, number in found if fate == "dropped"}
    return {name: totals[name] for name in names} | {"dropped": dropped}


def _count(db: sqlite3.Connection, fate: str, number: int, kind: str = "", reason: str = "") -> None:
    if number:
        db.execute(
            "INSERT INTO counter VALUES (?, ?, ?, ?) "
            "ON CONFLICT (fate, kind, reason) DO UPDATE SET number = number + excluded.number",
            (fate, kind, reason, number),
        )


def _used(db: sqlite3.Connection) -> int:
    pages, free = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    return int(pages - free) * PAGE


def _fact(db: sqlite3.Connection, name: str) -> str | None:
    found = db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return str(found[0]) if found else None


def _set_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))
