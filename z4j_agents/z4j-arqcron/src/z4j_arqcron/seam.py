"""Where a worker's cron is watched: on the instances, over the methods of their classes, and taken off again.

What arq enqueues for its cron jobs is only known as it is done: of several workers one enqueues it, and the others are
told that it is there already.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

from arq.cron import CronJob
from arq.utils import to_unix_ms
from arq.worker import Worker
from z4j_core.safety import guard
from z4j_core.scheduler import micros

#: What this turn of the cron has enqueued: the name, the id that was asked for, and the id of the job.
Sent = tuple[str, str | None, str]
_sent: ContextVar[list[Sent] | None] = ContextVar("z4j_arqcron_sent", default=None)
_ABSENT: Final = object()


class Seam:
    """`fired` is told of each job that was enqueued, with its id, and when it was due (None: as the worker started);
    `skipped` of one that was not, since an earlier one has the id that the code gives to all of them.
    """

    def __init__(
        self,
        worker: Worker,
        fired: Callable[[CronJob, str, datetime | None], None],
        skipped: Callable[[CronJob, datetime], None],
    ) -> None:
        self._worker = worker
        self._fired, self._skipped = fired, skipped
        #: When the worker last looked whether a cron job is due.
        self.tick = 0
        self._undo = [
            _put(worker, "run_cron", self._watched(worker.run_cron)),
            _put(worker.pool, "enqueue_job", self._noted(worker.pool.enqueue_job)),
        ]

    def remove(self) -> None:
        for undo in self._undo:
            undo()

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def run_cron(n: datetime, *args: Any, **kwargs: Any) -> None:
            self.tick = micros()
            before = [(job, job.next_run) for job in self._worker.cron_jobs]
            sent: list[Sent] = []
            token, done = _sent.set(sent), False
            try:
                await original(n, *args, **kwargs)
                done = True
            finally:
                _sent.reset(token)
                with guard("arqcron.fired"):
                    self._tell(before, n, sent, done)

        return run_cron

    def _noted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def enqueue_job(function: str, *args: Any, **given: Any) -> Any:
            job = await original(function, *args, **given)
            sent = _sent.get()
            if sent is not None and job is not None:
                sent.append((function, given.get("_job_id"), job.job_id))
            return job

        return enqueue_job

    def _tell(self, before: list[tuple[CronJob, datetime | None]], n: datetime, sent: list[Sent], done: bool) -> None:
        for job, due in before:
            wanted = job.job_id or (f"{job.name}:{to_unix_ms(due or n)}" if job.unique else None)
            found = next((one for one in sent if one[:2] == (job.name, wanted)), None)
            if job.next_run == due:
                continue
            if found is not None:
                sent.remove(found)
                self._fired(job, found[2], due)
            elif job.job_id and due is not None and done:
                self._skipped(job, due)  # or another worker has enqueued it, whose word counts more


def _put(instance: object, name: str, method: Callable[..., Any]) -> Callable[[], None]:
    """Put a method on an instance. What takes it off again; if somebody has put another one over it, it stays there."""
    before = vars(instance).get(name, _ABSENT)
    vars(instance)[name] = method

    def undo() -> None:
        if vars(instance).get(name) is not method:
            return
        if before is _ABSENT:
            del vars(instance)[name]
        else:
            vars(instance)[name] = before

    return undo
