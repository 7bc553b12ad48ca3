"""Who writes for the agents: a few threads with connections of their own behind one queue.

One thread on SQLite, where only one can write; two on PostgreSQL, where one would leave the server half idle
(measured). What is urgent (a lease somebody waits for) goes ahead of batches; batches that wait are taken together.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection

Given = ParamSpec("Given")
Result = TypeVar("Result")
Item = TypeVar("Item")

CAPACITY = 64
#: How much is taken together at most, in the measure its callers give: what is urgent has to wait for all of it.
GROUP = 8
GROUP_WEIGHT = 2_000

Together = Callable[[Sequence[Any]], Sequence[Any]]


class Busy(Exception):
    """Too much is waiting: come back in a moment."""


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    #: Of what may be taken together: how, what, and how heavy it is.
    together: Together | None = None
    item: Any = None
    weight: int = 0


class Desk:
    """Threads that take jobs from one queue. Each keeps its database connection until that fails."""

    def __init__(self, name: str, threads: int, capacity: int = CAPACITY) -> None:
        self._name, self._wanted, self._capacity = name, threads, capacity
        self._urgent: deque[_Job] = deque()
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    async def run(self, job: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """The result of `job`, done in its turn. Raises Busy when too much is waiting."""
        if len(self._waiting) >= self._capacity:
            raise Busy
        result: Result = await self._put(self._waiting, _Job(partial(job, *args, **kwargs)))
        return result

    async def run_urgent(self, job: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """The same, ahead of everything that is not urgent, and never refused."""
        result: Result = await self._put(self._urgent, _Job(partial(job, *args, **kwargs)))
        return result

    async def run_together(
        self, together: Callable[[Sequence[Item]], Sequence[Result | Exception]], item: Item, weight: int
    ) -> Result:
        """What `together` says of `item`: a result, or what is raised. It gets what waits, in the order it came."""
        job = _Job(partial(_only, together, item), together=together, item=item, weight=weight)
        result: Result = await self._put(self._waiting, job)
        return result

    async def _put(self, jobs: deque[_Job], job: _Job) -> Any:
        with self._changed:
            jobs.append(job)
            while len(self._threads) < self._wanted:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return await asyncio.wrap_future(job.future)

    def _work(self) -> None:
        while True:
            jobs = [job for job in self._next() if job.future.set_running_or_notify_cancel()]
            if len(jobs) > 1:
                _do_together(jobs)
            elif jobs:
                _do(jobs[0])
            del jobs

    def _next(self) -> list[_Job]:
        """The next job, with those right behind it that may be taken together with it."""
        with self._changed:
            while not (self._urgent or self._waiting):
                self._changed.wait()
            if self._urgent:
                return [self._urgent.popleft()]
            jobs = [self._waiting.popleft()]
            weight = jobs[0].weight
            while jobs[0].together and self._waiting and len(jobs) < GROUP:
                weight += self._waiting[0].weight
                if self._waiting[0].together is not jobs[0].together or weight > GROUP_WEIGHT:
                    break
                jobs.append(self._waiting.popleft())
            return jobs


def _only(together: Callable[[Sequence[Item]], Sequence[Result | Exception]], item: Item) -> Result:
    [outcome] = together([item])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _do(job: _Job) -> None:
    try:
        result = job.work()
    except BaseException as error:
        _failed([job], error)
    else:
        job.future.set_result(result)


def _do_together(jobs: list[_Job]) -> None:
    assert jobs[0].together
    try:
        outcomes = jobs[0].together([job.item for job in jobs])
    except BaseException as error:
        _failed(jobs, error)
        return
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, Exception):
            _failed([job], outcome)
        else:
            job.future.set_result(outcome)


def _failed(jobs: list[_Job], error: BaseException) -> None:
    if isinstance(error, DatabaseError | InterfaceError):
        connection.close()  # whatever broke it, the next job starts with a new one
    for job in jobs:
        job.future.set_exception(error)


#: Looks keys and agents up, unpacks and parses.
reader = Desk("gateway-reader", threads=2)
writer = Desk("gateway-writer", threads=1 if connection.vendor == "sqlite" else 2)
