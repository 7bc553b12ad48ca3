"""Who writes for the agents: a few threads with connections of their own behind one bounded queue.

One thread on SQLite, where only one can write; two on PostgreSQL, where one would leave the server half idle
(measured). What is urgent (a lease somebody waits for) goes ahead of batches. A full queue refuses: an agent keeps what
it has.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection

Given = ParamSpec("Given")
Result = TypeVar("Result")

CAPACITY = 64
_URGENT, _NORMAL = 0, 1


class Busy(Exception):
    """The queue is full: come back in a moment."""


class Desk:
    """Threads that take jobs from one queue. Each keeps its database connection until that fails."""

    def __init__(self, name: str, threads: int, capacity: int = CAPACITY) -> None:
        self._name, self._wanted, self._capacity = name, threads, capacity
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], Any], Future[Any]]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    async def run(self, job: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """The result of `job`, done in its turn. Raises Busy when too much is waiting."""
        if self._jobs.qsize() >= self._capacity:
            raise Busy
        return await self._put(_NORMAL, partial(job, *args, **kwargs))

    async def run_urgent(self, job: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """The same, ahead of everything that is not urgent, and never refused."""
        return await self._put(_URGENT, partial(job, *args, **kwargs))

    async def _put(self, rank: int, job: Callable[[], Result]) -> Result:
        self._start()
        future: Future[Result] = Future()
        self._jobs.put((rank, next(self._order), job, future))
        return await asyncio.wrap_future(future)

    def _start(self) -> None:
        with self._lock:
            while len(self._threads) < self._wanted:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            _, _, job, future = self._jobs.get()
            if future.set_running_or_notify_cancel():
                _do(job, future)
            del job, future


def _do(job: Callable[[], Any], future: Future[Any]) -> None:
    try:
        result = job()
    except BaseException as error:
        if isinstance(error, DatabaseError | InterfaceError):
            connection.close()  # whatever broke it, the next job starts with a new one
        future.set_exception(error)
    else:
        future.set_result(result)


#: Looks keys and agents up, unpacks and parses.
reader = Desk("gateway-reader", threads=2)
writer = Desk("gateway-writer", threads=1 if connection.vendor == "sqlite" else 2)
