"""The worker around a receiver: how many tasks it runs at once, and who started it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from typing import Any, Final

_MASTER: Final = "taskiq.cli.worker.process_manager"


class Slots:
    """The semaphores by which taskiq limits what runs at once. Changed in the loop of the worker."""

    def __init__(self, receiver: Any, max_prefetch: int) -> None:
        self.size: int = receiver.sem._value
        # Releases differ: what is prefetched is counted beside what runs, or together with it.
        together = receiver.sem_prefetch._value == self.size + max_prefetch
        self._semaphores = [receiver.sem, receiver.sem_prefetch] if together else [receiver.sem]
        self._leaving: set[asyncio.Task[None]] = set()

    async def add(self, by: int) -> int:
        for _ in range(by):
            if self._leaving and self._leaving.pop().cancel():
                continue
            for semaphore in self._semaphores:
                semaphore.release()
        self.size += by
        return self.size

    async def take(self, by: int) -> int:
        """One slot stays."""
        by = min(by, self.size - 1)
        for _ in range(by):
            task = asyncio.get_running_loop().create_task(self._take())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        self.size -= by
        return self.size

    async def _take(self) -> None:
        taken = []
        try:
            for semaphore in self._semaphores:
                await semaphore.acquire()
                taken.append(semaphore)
        except asyncio.CancelledError:
            for semaphore in taken:
                semaphore.release()
            raise


def master() -> int | None:
    """The process of `taskiq worker` that started this one and replaces it; None when there is no such process."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid != os.getppid() or _MASTER not in sys.modules:
        return None
    return parent.pid if multiprocessing.current_process().name.startswith("worker-") else None
