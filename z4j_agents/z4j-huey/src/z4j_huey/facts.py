"""What Huey knows of a task, as parts of an event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from huey import Huey
from huey.api import Task
from z4j_core.wire import Error, Reason

ENGINE: Final = "huey"
_ATTEMPT: Final = "z4j:attempt:"


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def micros(huey: Huey, moment: datetime | None) -> int | None:
    """Microseconds since the epoch. Huey's times have no zone: they are UTC, or local where the instance says so."""
    if not isinstance(moment, datetime):
        return None
    if moment.tzinfo is None and huey.utc:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def name_of(task: Task) -> str:
    return f"{type(task).__module__}.{task.name}"


def identity(huey: Huey, task: Task) -> dict[str, Any]:
    attempt = attempt_of(huey, task)
    facts = {
        "engine": ENGINE,
        "task_id": task.id,
        "name": name_of(task),
        "queue": huey.name,
        "attempt": attempt,
        "max_attempts": attempt + task.retries + 1,
        "priority": task.priority,
        "expires": micros(huey, task.expires_resolved),
        "group_id": task.chord_config.cid if getattr(task, "chord_config", None) else None,
    }
    return without_nothing(facts)


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What Huey says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


def attempt_of(huey: Huey, task: Task) -> int:
    """Counted from 0. Huey counts retries down and forgets how many there were, so they are counted up beside them."""
    if not task.retries and not task.default_retries:
        return 0
    kept = huey.storage.peek_data(_ATTEMPT + task.id)
    return int(kept) if isinstance(kept, bytes) and kept.isdigit() else 0


def count_attempt(huey: Huey, task: Task, attempt: int) -> None:
    huey.storage.put_data(_ATTEMPT + task.id, str(attempt).encode())


def forget_attempt(huey: Huey, task: Task) -> None:
    if task.default_retries or task.retries:
        huey.storage.pop_data(_ATTEMPT + task.id)


def stored_error(metadata: Mapping[str, Any]) -> Error:
    """What the result store keeps of an exception: its type. The text beside it is nobody's to read unredacted."""
    # A repr() that somebody wrote may say anything; only what Python itself writes begins like this.
    name, called, _ = str(metadata.get("error", "")).partition("(")
    kind = name if called and name.isidentifier() else "Exception"
    timed_out = kind == "TaskTimeout"
    return Error(
        type=kind,
        message="",
        reason=Reason.TIMEOUT if timed_out else Reason.EXCEPTION,
    )
