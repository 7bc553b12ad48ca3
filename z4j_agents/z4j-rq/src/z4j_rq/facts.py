"""What RQ knows of a job, as parts of an event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rq.job import Job, JobStatus
from rq.timeouts import JobTimeoutException
from z4j_core.wire import Error, Kind, Reason

from z4j_rq.bodies import name_of

ENGINE: Final = "rq"
#: Days after which nobody asks for the attempt of a job any more.
COUNT_LIFE: Final = 7 * 24 * 3600
ENDS: Final = {
    JobStatus.FINISHED: Kind.TASK_SUCCEEDED,
    JobStatus.FAILED: Kind.TASK_FAILED,
    JobStatus.STOPPED: Kind.TASK_CANCELLED,
    JobStatus.CANCELED: Kind.TASK_CANCELLED,
}
#: How RQ's own words begin where no exception was caught: the process was gone, and nobody came back for the job.
_LOST: Final = ("Work-horse terminated", "Moved to FailedJobRegistry, due to AbandonedJobError")
WAITING: Final = (JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def micros(moment: datetime | None) -> int | None:
    """Microseconds since the epoch. RQ's times without a zone are UTC."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def identity(job: Job) -> dict[str, Any]:
    """Which job, and which of its attempts."""
    attempt = attempt_of(job)
    left = job.retries_left
    facts = {
        "engine": ENGINE,
        "task_id": job.id,
        "name": name_of(job),
        "queue": job.origin,
        "attempt": attempt,
        "max_attempts": attempt + left + 1 if left is not None else None,
        "group_id": getattr(job, "group_id", None),
        "parent_id": next(iter(job._dependency_ids or ()), None),
    }
    return without_nothing(facts)


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What RQ says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


def attempt_of(job: Job) -> int:
    """Counted from 0. RQ counts retries down and forgets how many there were, so the agents count them up beside it."""
    if job.number_of_retries:
        return int(job.number_of_retries)
    if job.retries_left is None:
        return 0
    return int(job.connection.get(_counter(job)) or 0)


def count_attempt(job: Job) -> None:
    """An exception ended an attempt of this job, and another one follows."""
    pipeline = job.connection.pipeline()
    pipeline.incr(_counter(job))
    pipeline.expire(_counter(job), COUNT_LIFE)
    pipeline.execute()


def _counter(job: Job) -> str:
    return f"z4j:rq:attempt:{job.id}"


def reason(error: BaseException) -> Reason:
    return Reason.TIMEOUT if isinstance(error, JobTimeoutException) else Reason.EXCEPTION


def stored_error(job: Job) -> Error:
    """What the store keeps of an exception: its type. The text beside it is nobody's to read unredacted."""
    result = job.latest_result()
    text = (getattr(result, "exc_string", None) or "").strip()
    if text.startswith(_LOST):
        return Error(type="WorkHorseLost", message="The process that ran it ended.", reason=Reason.WORKER_LOST)
    kind = _raised(text)
    timed_out = kind == JobTimeoutException.__name__
    return Error(type=kind, message="", reason=Reason.TIMEOUT if timed_out else Reason.EXCEPTION)


def _raised(text: str) -> str:
    """The type that a traceback ends with. Lines after it are the user's words, and so is what follows the type."""
    lines = text.splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else []
    line = next((line for line in after if line and not line[0].isspace()), "")
    name = line.partition(":")[0]
    return name.rpartition(".")[2] if all(part.isidentifier() for part in name.split(".")) else "Exception"
