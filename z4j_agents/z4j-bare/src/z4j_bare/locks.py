"""Who is alive behind a spool: two byte-range locks that the kernel drops when their process ends, however it ends.

Byte 0, exclusive: the one process that sends. Byte 1, shared: every process that writes. A spool whose byte 0 is free
is an orphan; one whose byte 1 can be had exclusively has no writer left and may be deleted once it is empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

SENDER: Final = 0
WRITERS: Final = 1

_held: set[tuple[int, Path]] = set()


def held_here(path: Path) -> bool:
    """This very process has the lock file open; opening and closing it once more would drop its locks."""
    return (os.getpid(), path) in _held


class BootLock:
    """The lock file of one boot, as one process holds it. POSIX locks belong to the process, not to the descriptor:
    closing any descriptor of this file drops them, so one instance per process and boot opens it, once.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._create = create
        self._pid = 0
        self._file = -1

    def lead(self) -> bool:
        """Become the sender. False: somebody else is."""
        return self._take(fcntl.LOCK_EX, SENDER)

    def join(self) -> bool:
        """Become a writer. False: the spool has just been deleted, or is about to be."""
        return self._take(fcntl.LOCK_SH, WRITERS) and self._is_there()

    def last(self) -> bool:
        """No other process writes, and none can start to: the files may be deleted."""
        return self._take(fcntl.LOCK_EX, WRITERS) and self._is_there()

    def release(self) -> None:
        """Drop both locks, unless they belong to the parent of this process: its descriptor is then left alone."""
        if self._file >= 0 and self._pid == os.getpid():
            os.close(self._file)
            _held.discard((self._pid, self.path))
        self._file = -1

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.release()

    def _take(self, how: int, byte: int) -> bool:
        try:
            fcntl.lockf(self._descriptor(), how | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True

    def _descriptor(self) -> int:
        if self._file < 0 or self._pid != os.getpid():
            # A child opens what its parent made. When that is gone, so is the boot: its numbers must not start again.
            create = os.O_CREAT | os.O_EXCL if self._create and not self._pid else 0
            flags = os.O_RDWR | os.O_CLOEXEC | create
            self._file, self._pid = os.open(self.path, flags, 0o600), os.getpid()
            _held.add((self._pid, self.path))
        return self._file

    def _is_there(self) -> bool:
        """The name still leads to the file we hold: nobody deleted it between our opening and our locking."""
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        return False
