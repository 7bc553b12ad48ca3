"""From memory to the spool: a bounded queue that any thread may fill, and one thread per process that empties it.

`put` is on the user's path: it takes no lock that a signal handler could meet again, does no I/O and never waits.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from z4j_core import safety

from z4j_bare import batch
from z4j_bare.batch import Row, Unfit
from z4j_bare.database import Unavailable
from z4j_bare.losses import Voice
from z4j_bare.spool import Spool
from z4j_bare.vault import Vault

#: A killed process loses what is younger than this, and at most this many.
LINGER: Final = 0.05
PROMPT: Final = 200
#: How many may wait in memory while the disk does not take them, by weight: the last ones are for final events.
ROOM: Final = {batch.NOISE: 4_000, batch.STEP: 8_000, batch.FINAL: 12_000}
#: Bytes of originals that may wait.
ORIGINALS: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Original:
    """What the vault shall keep of a task, on its way there."""

    task_id: str
    blob: bytes


Item = Mapping[str, Any] | Original


class Writer:
    """One per process and boot. The thread starts with the first `put`, so that a child which says nothing has none."""

    def __init__(self, spool: Spool, vault: Vault, *, on_write: Callable[[], None] | None = None) -> None:
        self._spool = spool
        self._vault = vault
        self._on_write = on_write
        self._pending: deque[Item] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._idle = False
        self._lost: Counter[tuple[str, str]] = Counter()
        self._voice = Voice()
        self._held = 0
        self._rows: list[Row] = []
        self._inside = False
        self._emptying = threading.RLock()
        self._counting = threading.RLock()
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._ended = False

    def put(self, item: Item) -> bool:
        """False: there is no room left for it in memory, and it is counted as dropped."""
        waiting = len(self._pending)
        if (waiting >= ROOM[batch.NOISE] or isinstance(item, Original)) and not self._admit(item, waiting):
            return False
        self._pending.append(item)
        if self._idle or waiting == PROMPT:
            self._idle = False
            self._wake.put(None)
        if self._thread is None:
            self._start()
        return True

    def flush(self, timeout: float) -> bool:
        """Write what is waiting, on this thread. False: it did not work, or not in time."""
        deadline = time.monotonic() + timeout
        while self._pending or self._rows or self._lost:
            if time.monotonic() >= deadline or not self._emptying.acquire(timeout=max(timeout, 0)):
                return False
            try:
                if not self._empty():
                    return False
            finally:
                self._emptying.release()
        return True

    def end(self, timeout: float) -> bool:
        self._ended = True
        self._wake.put(None)
        return self.flush(timeout)

    def _admit(self, item: Item, waiting: int) -> bool:
        with self._counting:
            if isinstance(item, Original):
                if self._held + len(item.blob) > ORIGINALS:
                    return False
                self._held += len(item.blob)
            elif waiting >= ROOM[batch.weight(kind := str(item.get("kind", "")))]:
                self._lost[kind, "memory"] += 1
                return False
        return True

    def _start(self) -> None:
        # Whoever comes second, also on this very thread in a signal handler, finds it started or goes on without.
        if self._starting.acquire(blocking=False):
            try:
                if self._thread is None and not self._ended:
                    self._thread = threading.Thread(target=self._run, name="z4j-writer", daemon=True)
                    self._thread.start()
            finally:
                self._starting.release()

    def _run(self) -> None:
        pause = 0.0
        while not self._ended:
            self._rest(pause)
            with safety.guard("writer"), self._emptying:
                pause = 0.0 if self._empty() else 1.0

    def _rest(self, pause: float) -> None:
        """Sleep until there is something, and then a moment longer for what comes right behind it."""
        if pause:
            time.sleep(pause)
        if not self._pending:
            self._idle = True
            if not self._pending:
                self._wake.get()
            self._idle = False
        if len(self._pending) < PROMPT and not self._ended:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=LINGER)

    def _empty(self) -> bool:
        """One round. False: the disk takes nothing at the moment; what is waiting stays in memory."""
        if self._inside:
            return False  # a signal handler, on the thread that is in the middle of a round
        self._inside = True
        try:
            return self._round()
        finally:
            self._inside = False

    def _round(self) -> bool:
        originals = self._collect()
        with self._counting:
            lost, self._lost = self._lost, Counter()
            self._held -= sum(len(blob) for _, blob in originals)
        try:
            # First the originals: whoever sees an event may already ask for a retry of its task.
            if originals:
                with safety.guard("vault"):
                    self._vault.keep(originals)
            self._store(lost)
        except Unavailable as error:
            with self._counting:
                self._lost.update(lost)
                dropped = _by_reason(self._lost)
            safety.record("spool", error)
            self._voice.say(dropped)
            return False
        if self._on_write is not None:
            self._on_write()
        return True

    def _store(self, lost: Counter[tuple[str, str]]) -> None:
        for rows in self._spool.transactions(list(self._rows)):
            self._spool.append(rows, lost)
            lost.clear()
            del self._rows[: len(rows)]
        if lost:
            self._spool.append([], lost)
            lost.clear()

    def _collect(self) -> list[tuple[str, bytes]]:
        """Take what is waiting, 1000 at most: events become rows, originals are handed back."""
        originals: list[tuple[str, bytes]] = []
        while self._pending and len(self._rows) < 1000 and len(originals) < 1000:
            item = self._pending.popleft()
            if isinstance(item, Original):
                originals.append((item.task_id, item.blob))
            else:
                self._encode(item)
        return originals

    def _encode(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("kind", ""))
        try:
            self._rows.append(batch.row(event))
        except Unfit as unfit:
            self._lost[kind, str(unfit)] += 1
        except Exception as error:
            safety.record("encode", error)
            self._lost[kind, "invalid"] += 1


def _by_reason(lost: Mapping[tuple[str, str], int]) -> dict[str, int]:
    reasons = Counter[str]()
    for (_, reason), number in lost.items():
        reasons[reason] += number
    return dict(reasons)
