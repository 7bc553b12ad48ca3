"""How Celery describes a task, in the words of an event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from z4j_core import traceparent
from z4j_core.secret_text import redact
from z4j_core.wire import Error, Reason

ENGINE: Final = "celery"
#: A retried task carries the id of the task it repeats in this message header.
RETRY_OF: Final = "z4j_retry_of"
#: The schedule that sent a task, as our own adapters of beat name it, and django-celery-beat.
SCHEDULES: Final = ("z4j_schedule", "periodic_task_name")


def now() -> int:
    return time.time_ns() // 1000


def micros(moment: object, start: int | None = None) -> int | None:
    """A moment as Celery writes it: an ISO text, a datetime, or seconds from `start` (now). No zone is UTC."""
    if isinstance(moment, (int, float)):
        return (start or now()) + round(moment * 1_000_000)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What headers and requests say alike: who the task is, where it comes from, when it is due."""
    task_id = facts["id"]
    told = {
        "engine": ENGINE,
        "task_id": task_id,
        "attempt": facts.get("retries") or 0,
        "root_id": facts.get("root_id"),
        # After a retry Celery calls a task its own parent.
        "parent_id": facts.get("parent_id") if facts.get("parent_id") != task_id else None,
        "group_id": facts.get("group"),
        "trace_id": traceparent.trace_id(facts.get(traceparent.NAME)),
        "retry_of": facts.get(RETRY_OF),
        "schedule": next((facts[name] for name in SCHEDULES if facts.get(name)), None),
        "eta": micros(facts.get("eta")),
        "expires": micros(facts.get("expires")),
    }
    return {name: value for name, value in told.items() if value is not None}


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What Celery says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


def delivery(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Queue and priority of a message that has been delivered."""
    info = facts.get("delivery_info") or {}
    told = {"queue": info.get("routing_key"), "priority": info.get("priority")}
    return {name: value for name, value in told.items() if value is not None}


def engine_error(error: BaseException) -> Error | None:
    """What Celery itself says when it ends a task from outside: its own words, no user's. None for any other error."""
    if isinstance(error, TimeLimitExceeded):
        limit = error.args[0] if error.args and isinstance(error.args[0], (int, float)) else "?"
        return Error(
            type="TimeLimitExceeded", message=f"The hard time limit of {limit} s was exceeded.", reason=Reason.TIMEOUT
        )
    if isinstance(error, WorkerLostError):
        text = error.args[0] if error.args and isinstance(error.args[0], str) else "The process ended."
        return Error(type="WorkerLostError", message=redact(text[:500]), reason=Reason.WORKER_LOST)
    return None


def reason(error: BaseException) -> Reason:
    return Reason.TIMEOUT if isinstance(error, SoftTimeLimitExceeded) else Reason.EXCEPTION
