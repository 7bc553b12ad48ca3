"""What arq says of a job, as parts of an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from arq.worker import JobExecutionFailed
from z4j_core.redaction import Telling
from z4j_core.wire import Error, Kind, Reason

ENGINE: Final = "arq"
#: The job of ours that goes the way of every job.
HELLO: Final = "z4j.hello"
#: What `enqueue_job` takes for itself; everything else belongs to the function.
OPTIONS: Final = ("_job_id", "_queue_name", "_defer_until", "_defer_by", "_expires", "_job_try")
STOPPED: Final = Error(
    type="WorkerStopped", message="Its worker was stopped; arq runs it again.", reason=Reason.WORKER_LOST
)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def milliseconds(moment: datetime) -> int:
    """Since the epoch, as arq counts."""
    return round(moment.timestamp() * 1000)


def microseconds(duration: float | timedelta | None) -> int:
    """Of what arq takes for a duration: a number of seconds, or a timedelta."""
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    return round((duration or 0) * 1_000_000)


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What arq says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended, as arq keeps it."""

    kind: Kind
    error: Error | None = None
    #: It was given up because its attempts were used up: the attempt it was given up at never ran.
    spent: bool = False


def verdict(success: bool, result: object, redactor: Telling) -> Verdict:
    """What arq's record of a job's end means. Its own reasons are exceptions that differ in their text alone."""
    if success:
        return Verdict(Kind.TASK_SUCCEEDED)
    if isinstance(result, asyncio.CancelledError):
        return Verdict(Kind.TASK_CANCELLED)
    if isinstance(result, JobExecutionFailed):
        return _given_up(str(result))
    if isinstance(result, BaseException):
        reason = Reason.TIMEOUT if isinstance(result, asyncio.TimeoutError) else Reason.EXCEPTION
        return Verdict(Kind.TASK_FAILED, redactor.error(result, reason))
    return _failed("SerializationError", "What it returned or raised cannot be serialised.", Reason.EXCEPTION)


def _given_up(text: str) -> Verdict:
    """Before it ran. `text` is written by arq."""
    if text == "job expired":
        return Verdict(Kind.TASK_EXPIRED)
    if text.startswith("function ") and text.endswith(" not found"):
        return _failed("JobExecutionFailed", "This worker has no function of that name.", Reason.UNKNOWN_TASK)
    if text.startswith("max ") and text.endswith(" retries exceeded"):
        return _failed("JobExecutionFailed", "It has used up its attempts.", Reason.EXCEPTION, spent=True)
    return _failed("JobExecutionFailed", "arq gave it up.", Reason.EXCEPTION)


def _failed(kind: str, message: str, reason: Reason, *, spent: bool = False) -> Verdict:
    return Verdict(Kind.TASK_FAILED, Error(type=kind, message=message, reason=reason), spent)
