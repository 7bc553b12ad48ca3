"""What RQ's methods tell, as events.

A *producer* enqueues. A worker's own process (P) takes a job and forks a horse (H) that runs it; with SimpleWorker they
are one. The start is told by P, just before the fork; the end by H, or by P when H is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from rq.job import Job, JobStatus
from z4j_core.engine import Host
from z4j_core.redaction import Parameters, Telling
from z4j_core.safety import guarded
from z4j_core.wire import Error, Kind, Reason

from z4j_rq import bodies, originals
from z4j_rq.facts import count_attempt, identity, micros, now, reason, without_nothing


class Hooks:
    """One moment of a job's life, one method. None of them raises."""

    def __init__(self, host: Host) -> None:
        self.host = host
        #: When each job that runs now was started; H has it from P.
        self.runs: dict[str, int] = {}

    @guarded("rq.enqueued")
    def enqueued(self, job: Job, due: datetime | None = None) -> None:
        self.emit(Kind.TASK_ENQUEUED, job, eta=micros(due), **self.arguments(job))

    @guarded("rq.received")
    def received(self, job: Job, worker: str) -> None:
        vault = self.host.keep(job.id, originals.pack(job))
        self.emit(Kind.TASK_RECEIVED, job, worker=worker, vault=vault, **self.arguments(job))

    def started(self, job: Job, worker: str) -> int:
        """When, in microseconds: which run of the job this is."""
        self.runs[job.id] = run = now()
        self.emit(Kind.TASK_STARTED, job, worker=worker, ts=run, run=run)
        return run

    @guarded("rq.opened")
    def opened(self, job: Job, worker: str) -> None:
        """RQ has just opened the job's body to run it. Arguments that could be told before were told before."""
        if not bodies.runs_nothing(job.serializer):
            run = self.runs.get(job.id)
            self.emit(Kind.TASK_PROGRESS, job, worker=worker, run=run, **self.arguments(job))

    @guarded("rq.succeeded")
    def succeeded(self, job: Job, worker: str) -> None:
        result, was_cut = self.redactor(job).value(job._result)
        self.emit(
            Kind.TASK_SUCCEEDED,
            job,
            worker=worker,
            result=result,
            truncated=["result"] if was_cut else [],
            **self.ran(job),
        )

    @guarded("rq.failed")
    def failed(self, job: Job, worker: str, *, retrying: bool, stopped: bool) -> None:
        """`retrying` and `stopped` as they were before RQ dealt with the failure."""
        told = {"worker": worker, **self.ran(job)}
        if stopped:
            self.emit(Kind.TASK_CANCELLED, job, **told)
            return
        told["error"] = self._error(job)
        if not retrying:
            self.emit(Kind.TASK_FAILED, job, **told)
            return
        self.emit(Kind.TASK_RETRYING, job, eta=self._due(job), **told)
        count_attempt(job)

    @guarded("rq.retried")
    def retried(self, job: Job, worker: str, event: Mapping[str, Any], spent: bool) -> None:
        """The job returned a `Retry`. `event` as the attempt was before; `spent`: there are no attempts left."""
        kind = Kind.TASK_FAILED if spent else Kind.TASK_RETRYING
        error = Error(
            type="MaxRetriesExceeded", message="It asked for one more retry than it may have.", reason="exception"
        )
        more = {"error": error} if spent else {"eta": self._due(job)}
        self.host.emit(without_nothing({"kind": kind, **event, "worker": worker, **self.ran(job), **more}))

    def emit(self, kind: Kind, job: Job, **more: Any) -> None:
        self.host.emit(without_nothing({"kind": kind, **identity(job), **more}))

    def ran(self, job: Job) -> dict[str, Any]:
        run = self.runs.get(job.id)
        return {"run": run or now(), "runtime_ms": (now() - run) / 1000 if run else None}

    def arguments(self, job: Job) -> dict[str, Any]:
        """Redacted; nothing where the job's body is closed."""
        given = bodies.arguments_of(job)
        if given is None:
            return {}
        parameters = _parameters(job)
        told = self.host.redactor.of(bodies.name_of(job), parameters).call(parameters, *given)
        return dict(zip(("args", "kwargs", "truncated"), told, strict=True))

    def redactor(self, job: Job) -> Telling:
        return self.host.redactor.of(bodies.name_of(job), _parameters(job))

    def _error(self, job: Job) -> Error:
        """Told while the exception is being handled. Without one, H has ended without a word."""
        error = sys.exc_info()[1]
        if error is None:
            return Error(type="WorkHorseLost", message="The process that ran it ended.", reason=Reason.WORKER_LOST)
        return self.redactor(job).error(error, reason(error))

    def _due(self, job: Job) -> int | None:
        """When the next attempt is due, where RQ parks it until then."""
        if job.get_status(refresh=False) != JobStatus.SCHEDULED:
            return None
        with suppress(Exception):
            score = job.connection.zscore(f"rq:scheduled:{job.origin}", job.id)
            return round(score * 1_000_000) if score else None
        return None


def _parameters(job: Job) -> Parameters:
    """The function is looked up only where it is imported."""
    function = None
    with suppress(Exception):
        module, _, name = bodies.name_of(job).rpartition(".")
        function = getattr(sys.modules.get(module), name, None)
    return Parameters.of(function) if callable(function) else Parameters()
