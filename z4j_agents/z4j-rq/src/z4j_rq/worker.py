"""RQ's workers, watched: what they do is told, and what people ask of them is done.

Every method is RQ's own with a word before or after it. Signatures differ between releases, so they are passed on as
they come.
"""

from __future__ import annotations

import time
from typing import Any, Final

import rq.worker
from rq.job import Job
from z4j_core.engine import attach
from z4j_core.safety import guard

from z4j_rq.engine import RQEngine
from z4j_rq.facts import identity

#: Seconds for which a worker waits on Redis before it looks whether a queue was paused.
LOOKS_EVERY: Final = 2


class AllPaused(Exception):
    """Every queue of this worker is paused."""


class Watched:
    """Mixed in before a class of workers: `class MyWorker(z4j_rq.Watched, rq.worker.SpawnWorker)`."""

    z4j: RQEngine

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.z4j = RQEngine.installed or RQEngine()
        self._z4j_order: list[Any] = []
        self._z4j_orders = False
        self._z4j_spent = ""
        super().__init__(*args, **kwargs)

    def z4j_attach(self) -> None:
        """Hand the adapter to the agent of this process."""
        attach(self.z4j)

    # The life of the worker.

    def work(self, *args: Any, **kwargs: Any) -> Any:
        """RQ starts the scheduler only after it has said that the worker is there."""
        self.z4j.schedules = bool(kwargs.get("with_scheduler"))
        return super().work(*args, **kwargs)  # type: ignore[misc]

    def register_birth(self) -> None:
        super().register_birth()  # type: ignore[misc]
        self.z4j.serve(self)
        self.z4j_attach()
        self.z4j.begin()

    def register_death(self) -> None:
        super().register_death()  # type: ignore[misc]
        self.z4j.end()

    # The life of a job.

    def execute_job(self, job: Job, *args: Any, **kwargs: Any) -> Any:
        self.z4j.took(job)
        try:
            return super().execute_job(job, *args, **kwargs)  # type: ignore[misc]
        finally:
            self.z4j.left(job)

    def perform_job(self, job: Job, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().perform_job(job, *args, **kwargs)  # type: ignore[misc]
        finally:
            if self.z4j.hooks is not None:
                # A horse ends by os._exit, which runs no exit handler.
                self.z4j.hooks.host.flush()

    def prepare_job_execution(self, job: Job, *args: Any, **kwargs: Any) -> Any:
        """In the process that runs the job. RQ opens the job's body here, to show its name."""
        result = super().prepare_job_execution(job, *args, **kwargs)  # type: ignore[misc]
        self.z4j.opened(job)
        return result

    def handle_job_success(self, job: Job, *args: Any, **kwargs: Any) -> Any:
        result = super().handle_job_success(job, *args, **kwargs)  # type: ignore[misc]
        if self.z4j.hooks is not None:
            self.z4j.hooks.succeeded(job, self.name)  # type: ignore[attr-defined]
        return result

    def handle_job_failure(self, job: Job, *args: Any, **kwargs: Any) -> Any:
        stopped = self._stopped_job_id == job.id  # type: ignore[attr-defined]
        retrying = bool(job.should_retry) and not stopped
        result = super().handle_job_failure(job, *args, **kwargs)  # type: ignore[misc]
        if self.z4j.hooks is not None and job.id != self._z4j_spent:
            self.z4j.hooks.failed(job, self.name, retrying=retrying, stopped=stopped)  # type: ignore[attr-defined]
        return result

    def handle_job_retry(self, job: Job, queue: Any, retry: Any, *args: Any, **kwargs: Any) -> Any:
        hooks, event, spent = self.z4j.hooks, {}, False
        with guard("rq.retry"):
            event = identity(job) if hooks is not None else {}
            spent = bool(job.number_of_retries and job.number_of_retries >= retry.max)
        # Releases before 3 let it fail like any other: that is told once, below.
        self._z4j_spent = job.id if spent else ""
        result = super().handle_job_retry(job, queue, retry, *args, **kwargs)  # type: ignore[misc]
        self._z4j_spent = ""
        if hooks is not None and event:
            hooks.retried(job, self.name, event, spent)  # type: ignore[attr-defined]
        return result

    # Which queues it takes from.

    @property
    def dequeue_timeout(self) -> int:
        return int(min(super().dequeue_timeout, LOOKS_EVERY))  # type: ignore[misc]

    @property
    def _ordered_queues(self) -> list[Any]:
        """All of them while RQ puts them into order, paused ones or not; else those that it may take from."""
        if self._z4j_orders:
            return self._z4j_order
        left = [queue for queue in self._z4j_order if queue.name not in self.z4j.paused]
        if self._z4j_order and not left:
            raise AllPaused
        return left

    @_ordered_queues.setter
    def _ordered_queues(self, order: list[Any]) -> None:
        self._z4j_order = order

    def reorder_queues(self, *args: Any, **kwargs: Any) -> Any:
        """RQ has taken a job. By whichever strategy it goes on, it must find the queue that the job came from."""
        self._z4j_orders = True
        try:
            return super().reorder_queues(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._z4j_orders = False

    def dequeue_job_and_maintain_ttl(self, *args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(*args, **kwargs)  # type: ignore[misc]
            except AllPaused:
                if self._stop_requested:  # type: ignore[attr-defined]
                    return None
                self.heartbeat()  # type: ignore[attr-defined]
                time.sleep(1)


class Worker(Watched, rq.worker.Worker):
    """RQ's usual worker: a fork for each job."""


class SimpleWorker(Watched, rq.worker.SimpleWorker):
    """RQ's worker that runs jobs itself."""
