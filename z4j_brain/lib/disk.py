"""The disk under SQLite: how much is left, when that is too little for events, and a reserve for what must be written.

On PostgreSQL the disk is another machine's, and only its own word counts: `is_full` knows it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

MEGABYTE = 1 << 20
#: A file that is let go when nothing else is left, so that the ledger can still append.
RESERVE = 16 * MEGABYTE
#: Below this share of the volume people are told.
LOW = 0.10
#: The floor on a small volume: no more than this share of it.
SMALL = 0.02
LOOK_EVERY = 2.0

_DISK_FULL = "53100"
#: What SQLite says: full; it could not write; it could not make the file that it needs beside the database.
_FULL, _IO, _CANNOT_OPEN = 13, 10, 14

_lock = threading.Lock()
_seen: tuple[float, Space] | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the data folder's volume. `reusable`: pages of the database that hold nothing any more."""

    free: int
    total: int
    reusable: int = 0

    @property
    def floor(self) -> int:
        """What must stay free for everything but events."""
        return min(settings.Z4J_DISK_FLOOR * MEGABYTE, int(self.total * SMALL))

    @property
    def is_low(self) -> bool:
        return self.free < self.total * LOW

    @property
    def is_refusing(self) -> bool:
        """Too little for events, which also fit into what was deleted, as long as there is some room to write in."""
        return self.free < self.floor and not (self.free >= self.floor // 4 and self.free + self.reusable >= self.floor)


def space() -> Space | None:
    """The room there is, looked at every few seconds at most; None where the disk is not ours to watch."""
    global _seen
    if connection.vendor != "sqlite":
        return None
    with _lock:
        if _seen is None or time.monotonic() >= _seen[0]:
            _seen = (time.monotonic() + LOOK_EVERY, _look())
        return _seen[1]


def keep_reserve() -> None:
    """Make the reserve where there is room for it; let it go where there is next to none."""
    if connection.vendor != "sqlite":
        return
    room, path = _look(), _path()
    size = min(RESERVE, room.floor // 2)  # less than the floor: where it was let go, events are still refused
    if room.free < size // 4:
        release()
    elif room.free > room.floor + 2 * size and size and not path.exists():
        with contextlib.suppress(OSError), path.open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def release() -> None:
    """Let the reserve go: its room is now anybody's, and events are refused before they take it."""
    global _seen
    with contextlib.suppress(OSError):
        _path().unlink()
    _seen = None


def is_full(error: BaseException) -> bool:
    """Does the store say that its disk is full? SQLite does not always find the right word for it."""
    cause = error.__cause__ or error
    if getattr(cause, "sqlstate", "") == _DISK_FULL:
        return True
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (_IO, _CANNOT_OPEN):
        return _look().free < MEGABYTE
    return code == _FULL


def _path() -> Path:
    return Path(settings.Z4J_DATA_DIR) / "reserve"


def _look() -> Space:
    told = os.statvfs(settings.Z4J_DATA_DIR)
    room = Space(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)
    return Space(room.free, room.total, _reusable()) if room.free < room.floor else room


def _reusable() -> int:
    try:
        with connection.cursor() as cursor:
            pages = cursor.execute("PRAGMA freelist_count").fetchone()[0]
            return int(pages * cursor.execute("PRAGMA page_size").fetchone()[0])
    except DatabaseError:
        return 0
