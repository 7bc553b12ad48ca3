"""Spools whose process is gone: whoever runs next under the same key sends what they hold, as who they were."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from z4j_core import safety

from z4j_bare.locks import BootLock, held_here
from z4j_bare.sender import Delivery, Step
from z4j_bare.spool import Spool

LOOK_EVERY: Final = 30.0


class Orphans:
    """Adopts one spool at a time, one batch at each call, so that our own events never wait behind old ones."""

    def __init__(self, folder: Path, delivery: Delivery, *, cap: int) -> None:
        self._folder = folder
        self._delivery = delivery
        self._cap = cap
        self._look_at = 0.0
        self._found: Iterator[tuple[BootLock, Spool]] = iter(())
        self._adopted: tuple[BootLock, Spool] | None = None

    def __call__(self) -> None:
        if self._delivery.outage.resting or not self._adopt():
            return
        assert self._adopted is not None
        with safety.guard("orphans"):
            step = self._delivery.step(self._adopted[1])
            if step is not Step.NOTHING:
                return
        self._leave(*self._adopted)

    def close(self) -> None:
        """Let go of the adopted one; somebody else may finish it."""
        if self._adopted is not None:
            self._leave(*self._adopted)

    def _adopt(self) -> bool:
        if self._adopted is None and time.monotonic() >= self._look_at:
            self._adopted = next(self._found, None)
            if self._adopted is None:
                self._found, self._look_at = self._orphans(), time.monotonic() + LOOK_EVERY
                self._adopted = next(self._found, None)
        return self._adopted is not None

    def _orphans(self) -> Iterator[tuple[BootLock, Spool]]:
        for path in sorted(self._folder.glob("*.lock")):
            boot = path.stem
            if held_here(path) or not _is_boot(boot):
                continue
            lock = BootLock(path)
            if lock.lead():
                spool = Spool(path.with_suffix(".db"), boot, cap=self._cap)
                with safety.guard("orphans.expire"):
                    spool.expire()
                yield lock, spool
            else:
                lock.release()

    def _leave(self, lock: BootLock, spool: Spool) -> None:
        """Empty, or not readable. Deleted when nobody can write to it any more; else it is looked at again later."""
        self._adopted = None
        with safety.guard("orphans.leave"):
            if lock.last() and spool.is_empty():
                spool.file.remove()
                lock.remove()
        spool.file.close()
        lock.release()


def _is_boot(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
