"""The fork gate: no thread of ours is inside SQLite, and no connection of ours is open, at the moment a process forks.

SQLite keeps locks and shared memory per process. A child that inherits an open connection believes it holds locks that
the kernel never gave it; so connections are closed before a fork and opened again, lazily, on both sides. The gate is
held for short local work only, never on a network: a held gate stops the user's fork.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol

from z4j_core import safety

#: A fork waits this long at most. A disk that hangs for longer must not hang the user; then the child stays silent.
PATIENCE: Final = 1.0


class Forked(Protocol):
    """Something that lives in one process and has to know when that process forks. Called under the gate."""

    def before_fork(self) -> None: ...
    def after_fork(self, clean: bool) -> None:
        """In the child. Not clean: a thread of the parent was inside SQLite, which must not be touched here."""


class Gate:
    def __init__(self) -> None:
        # Reentrant, because a signal handler may run our code on a thread that is already inside.
        self._lock = threading.RLock()
        self._members: weakref.WeakSet[Forked] = weakref.WeakSet()
        self._watching = False
        self._held = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def register(self, member: Forked) -> None:
        """Hold `member` weakly. The first one makes this process notice its forks."""
        with self._lock:
            self._members.add(member)
            if not self._watching:
                self._watching = True
                os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def _before(self) -> None:
        self._held = self._lock.acquire(timeout=PATIENCE)
        if self._held:
            self._each(lambda member: member.before_fork())

    def _in_parent(self) -> None:
        if self._held:
            self._held = False
            self._lock.release()

    def _in_child(self) -> None:
        clean, self._held = self._held, False
        self._lock = threading.RLock()
        self._each(lambda member: member.after_fork(clean))

    def _each(self, call: Callable[[Forked], None]) -> None:
        for member in list(self._members):
            with safety.guard("fork"):
                call(member)


gate: Final = Gate()
