"""One SQLite file of the agent: private to its owner, opened lazily in each process, touched only inside the fork gate.

Several processes share a file. The wait for another writer is short inside the gate and repeated outside of it.
"""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from z4j_bare.gate import gate

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a fork may have to wait for another process's transaction.
BUSY: Final = 0.05
#: SQLite's result codes, and what its messages say for each.
BUSY_CODE, LOCKED_CODE, CORRUPT_CODE, NOT_A_DATABASE_CODE = 5, 6, 11, 26
_SAYS: Final = {
    BUSY_CODE: "database is locked",
    LOCKED_CODE: "table is locked",
    CORRUPT_CODE: "malformed",
    NOT_A_DATABASE_CODE: "not a database",
}


class Unavailable(Exception):
    """The agent's own storage cannot be used right now."""


def private_folder(path: Path) -> Path:
    """`path`, made with mode 0700. Raises Unavailable when it is somebody else's or cannot be made."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Unavailable(f"{path} is not a folder of this user.")
        if found.st_mode & 0o077:
            path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise Unavailable(f"{path} is not writable.")
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}.") from error
    return path


def private_file(path: Path) -> None:
    """Make `path` with mode 0600 when it does not exist; SQLite gives its side files the same mode."""
    if not path.exists():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return


class Database:
    """`open` runs on each new connection: pragmas and `CREATE TABLE IF NOT EXISTS`."""

    def __init__(self, path: Path, schema: str, *, pragmas: tuple[str, ...] = (), patience: float = 5.0) -> None:
        self.path = path
        self._schema = schema
        self._pragmas = pragmas
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection] = []
        self._usable = True
        self._pid = os.getpid()
        gate.register(self)

    def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction. Durable: it is on the disk, not only with the kernel, when this returns."""
        return self._patiently(lambda connection: self._transaction(connection, work, durable))

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._patiently(work)

    def size(self) -> int:
        """Bytes that this file and its log take on the disk."""
        sides = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(side.stat().st_size for side in sides if side.exists())

    def close(self) -> None:
        with gate:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def remove(self) -> None:
        """Close and delete the file. The caller knows that nobody else uses it."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def before_fork(self) -> None:
        self.close()

    def after_fork(self, clean: bool) -> None:
        self._usable, self._pid = clean, os.getpid()
        if self._connection is not None:
            # Closing it here would release nothing and confuse the parent's locks: it is left as it is, for ever.
            self._inherited.append(self._connection)
            self._connection = None

    def _patiently(self, work: Callable[[sqlite3.Connection], T]) -> T:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with gate:
                    return work(self._open())
            except sqlite3.DatabaseError as error:
                if not _is(error, BUSY_CODE, LOCKED_CODE):
                    self._give_up(error)
                    raise Unavailable(f"{self.path.name}: {error}") from error
                if time.monotonic() >= deadline:
                    raise Unavailable(f"{self.path.name} is busy.") from error
            except OSError as error:
                raise Unavailable(f"{self.path.name}: {error.strerror}") from error
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - spreads writers, guards nothing

    def _open(self) -> sqlite3.Connection:
        if self._pid != os.getpid():  # forked behind Python's back, by a server written in C
            self.after_fork(True)
        if not self._usable:
            raise Unavailable(f"{self.path.name} was in use by another thread when this process was forked.")
        if self._connection is None:
            private_file(self.path)
            connection = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        for pragma in self._pragmas:
            connection.execute(pragma)
        for statement in filter(str.strip, self._schema.split(";")):
            connection.execute(statement)

    @staticmethod
    def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], durable: bool) -> T:
        if connection.in_transaction:
            # A signal handler, on the thread that is in the middle of one: it takes part in that.
            return work(connection)
        if durable:
            connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            if durable:
                connection.execute("PRAGMA synchronous=NORMAL")
        return result

    def _give_up(self, error: sqlite3.DatabaseError) -> None:
        """Start over with a new connection. A file that SQLite cannot read is kept, under another name, for people."""
        self.close()
        if _is(error, CORRUPT_CODE, NOT_A_DATABASE_CODE):
            logger.error("file=%s error=%s set aside, starting a new one", self.path.name, type(error).__name__)
            for suffix in ("", "-wal", "-shm"):
                broken = self.path.with_name(self.path.name + suffix)
                if broken.exists():
                    broken.rename(broken.with_name(f"broken-{time.time_ns()}-{broken.name}"))


def _is(error: sqlite3.DatabaseError, *codes: int) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # before Python 3.11 only the message tells
        return any(_SAYS[each] in str(error) for each in codes)
    return code & 0xFF in codes
