"""What taskiq knows of a message, as parts of an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from taskiq import AsyncBroker
from taskiq.acks import AckableMessage
from taskiq.message import TaskiqMessage
from z4j_core import traceparent
from z4j_core.wire import Reason

ENGINE: Final = "taskiq"
#: Labels in which taskiq counts: retries of a failed task, and those that a task asked for by `context.requeue()`.
RETRIES: Final = "_retries"
REQUEUES: Final = "X-Taskiq-requeue"
QUEUE: Final = "queue_name"
#: What brokers call the queue they take from.
_QUEUE_NAMES: Final = ("queue_name", "queue", "subject")


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def queue_of(broker: AsyncBroker) -> str:
    """The queue that a worker of this broker takes from; the engine's name where a broker names none."""
    names = (getattr(broker, name, None) for name in _QUEUE_NAMES)
    return next((name for name in names if isinstance(name, str) and name), ENGINE)


def raw_of(message: bytes | AckableMessage) -> bytes:
    """What came over the wire."""
    return message.data if isinstance(message, AckableMessage) else message


def identity(broker: AsyncBroker, message: TaskiqMessage) -> dict[str, Any]:
    """Which task, and which of its attempts."""
    labels = message.labels
    facts = {
        "engine": ENGINE,
        "task_id": message.task_id,
        "name": message.task_name,
        "queue": str(labels.get(QUEUE) or queue_of(broker)),
        "attempt": attempt_of(labels),
        "max_attempts": attempts_of(broker, labels),
        "priority": whole(labels.get("priority")),
        "schedule": str(labels.get("schedule_id") or ""),
        "trace_id": traceparent.trace_id(labels.get(traceparent.NAME)),
    }
    return without_nothing(facts)


def attempt_of(labels: Mapping[str, Any]) -> int:
    """Counted from 0."""
    return (whole(labels.get(RETRIES)) or 0) + (whole(labels.get(REQUEUES)) or 0)


def attempts_of(broker: AsyncBroker, labels: Mapping[str, Any]) -> int | None:
    """How often the broker's own middleware for retries runs a task at most; None without one, or for other tasks."""
    retrier: Any = next((one for one in broker.middlewares if hasattr(one, "default_retry_count")), None)
    if retrier is None:
        return None
    wanted = labels.get("retry_on_error", getattr(retrier, "default_retry_label", False))
    if str(wanted).lower() != "true":
        return None
    return whole(labels.get("max_retries", retrier.default_retry_count))


def reason(labels: Mapping[str, Any], ran: float, error: BaseException) -> Reason:
    """taskiq ends a task after the seconds of its label `timeout` by an exception that a task may raise as well."""
    try:
        limit = float(labels["timeout"])
    except (KeyError, TypeError, ValueError):
        return Reason.EXCEPTION
    timed_out = isinstance(error, (TimeoutError, asyncio.TimeoutError)) and ran >= limit * 1_000_000
    return Reason.TIMEOUT if timed_out else Reason.EXCEPTION


def whole(value: Any) -> int | None:
    """A label that is a number. Labels travel as text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What taskiq says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}
