"""Golden traces: the events of one task as a well-behaved adapter reports them, and what they fold to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from z4j_core.fold import Key, order_key
from z4j_core.wire import Event, Kind, Reason, State

#: A fixed moment, so that a trace reads the same each time: 1 January 2026, in microseconds.
START: Final = 1_767_225_600_000_000
SECOND: Final = 1_000_000
BOOT: Final = "0197a3b2-0000-7000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Trace:
    """One story: events in the order in which they happened, and the fields of the row at its end."""

    name: str
    events: tuple[Event, ...]
    row: dict[str, Any]

    def keyed(self) -> list[tuple[Key, Event]]:
        return sorted(((order_key(event, BOOT), event) for event in self.events), key=lambda pair: pair[0])


def _trace(name: str, *steps: tuple[float, Kind, dict[str, Any]], **row: Any) -> Trace:
    events = tuple(
        cast(Event, {"seq": number, "kind": str(kind), "ts": _at(second), "engine": "golden", "task_id": name} | facts)
        for number, (second, kind, facts) in enumerate(steps, 1)
    )
    return Trace(name, events, row)


def _at(second: float) -> int:
    return START + round(second * SECOND)


def _error(kind: str = "ValueError", reason: Reason = Reason.EXCEPTION) -> dict[str, Any]:
    return {"error": {"type": kind, "message": "it failed", "traceback": "", "reason": str(reason)}}


_NEW: Final[dict[str, Any]] = {"name": "shop.charge", "queue": "orders", "attempt": 0, "args": "(int,)", "kwargs": "{}"}


def _run(second: float, attempt: int = 0) -> dict[str, Any]:
    return {"attempt": attempt, "run": _at(second), "worker": "w1"}


_ENQUEUED = (0, Kind.TASK_ENQUEUED, _NEW)
_RECEIVED = (1, Kind.TASK_RECEIVED, {"attempt": 0, "worker": "w1", "vault": "v1"})
_STARTED = (2, Kind.TASK_STARTED, _run(2))


def _retried(second: float, attempt: int, wait: float) -> tuple[tuple[float, Kind, dict[str, Any]], ...]:
    """One failing attempt that will be followed by another: the new place in the queue is told before the end."""
    eta = _at(second + 1 + wait)
    return (
        (second, Kind.TASK_STARTED, _run(second, attempt)),
        (second + 0.9, Kind.TASK_ENQUEUED, {**_NEW, "attempt": attempt + 1, "eta": eta}),
        (second + 1, Kind.TASK_RETRYING, {**_run(second, attempt), **_error(), "eta": eta}),
        (second + 1.1, Kind.TASK_RECEIVED, {"attempt": attempt + 1, "worker": "w1", "eta": eta}),
    )


GOLDEN: Final = (
    _trace(
        "ok", _ENQUEUED, _RECEIVED, _STARTED,
        (3, Kind.TASK_SUCCEEDED, {**_run(2), "result": "str[4]", "runtime_ms": 990.0}),
        state="succeeded", attempt=0, result="str[4]", runtime_ms=990.0, started_at=_at(2), finished_at=_at(3),
        vault="v1",
    ),
    _trace(
        "fail", _ENQUEUED, _RECEIVED, _STARTED, (3, Kind.TASK_FAILED, {**_run(2), **_error()}),
        state="failed", error_type="ValueError", error_reason="exception", finished_at=_at(3),
    ),
    _trace(
        "retry twice", _ENQUEUED, _RECEIVED, *_retried(2, 0, 1), *_retried(5, 1, 1),
        (8, Kind.TASK_STARTED, _run(8, 2)), (9, Kind.TASK_SUCCEEDED, {**_run(8, 2), "result": "int"}),
        state="succeeded", attempt=2, started_at=_at(8), finished_at=_at(9), error_type="",
    ),
    _trace(
        "waits for its next attempt", _ENQUEUED, _RECEIVED, *_retried(2, 0, 60),
        state="retrying", attempt=1, error_type="ValueError", eta=_at(63), started_at=None, finished_at=None,
    ),
    _trace(
        "exhausted", _ENQUEUED, _RECEIVED, *_retried(2, 0, 1),
        (5, Kind.TASK_STARTED, _run(5, 1)), (6, Kind.TASK_FAILED, {**_run(5, 1), **_error("KeyError")}),
        state="failed", attempt=1, error_type="KeyError", started_at=_at(5),
    ),
    _trace(
        "delayed", (0, Kind.TASK_ENQUEUED, {**_NEW, "eta": _at(30)}),
        (1, Kind.TASK_RECEIVED, {"attempt": 0, "worker": "w1", "eta": _at(30)}),
        state="scheduled", eta=_at(30), received_at=_at(1), started_at=None,
    ),
    _trace(
        "expired", _ENQUEUED, (9, Kind.TASK_EXPIRED, {"attempt": 0, "worker": "w1"}),
        state="expired", finished_at=_at(9),
    ),
    _trace(
        "unknown task", _ENQUEUED,
        (1, Kind.TASK_FAILED, {"attempt": 0, **_error("NotRegistered", Reason.UNKNOWN_TASK)}),
        state="failed", error_reason="unknown_task",
    ),
    _trace(
        "cancelled in the queue", _ENQUEUED, _RECEIVED, (5, Kind.TASK_CANCELLED, {"attempt": 0, "worker": "w1"}),
        state="cancelled", started_at=None, finished_at=_at(5),
    ),
    _trace(
        "cancelled while running", _ENQUEUED, _RECEIVED, _STARTED, (5, Kind.TASK_CANCELLED, _run(5)),
        state="cancelled", started_at=_at(2), finished_at=_at(5),
    ),
    _trace(
        "ran although cancelled", _ENQUEUED, _RECEIVED, (5, Kind.TASK_CANCELLED, {"attempt": 0}),
        (6, Kind.TASK_STARTED, _run(6)), state="started", started_at=_at(6), finished_at=None,
    ),
    _trace(
        "worker killed", _ENQUEUED, _RECEIVED, _STARTED,
        (9, Kind.TASK_FAILED, {**_run(9), **_error("WorkerLostError", Reason.WORKER_LOST)}),
        state="failed", error_reason="worker_lost", started_at=_at(2),
    ),
    _trace(
        "lost, then found", _ENQUEUED, _RECEIVED, _STARTED, (3, Kind.TASK_SUCCEEDED, {**_run(2), "result": "int"}),
        (60, Kind.TASK_LOST, {**_run(2), "source": "reconcile"}), state="succeeded", finished_at=_at(3),
    ),
    _trace(
        "delivered again", _ENQUEUED, _RECEIVED, _STARTED, (4, Kind.TASK_FAILED, {**_run(2), **_error()}),
        (5, Kind.TASK_RECEIVED, {"attempt": 0, "worker": "w2"}),
        (6, Kind.TASK_STARTED, {**_run(6), "worker": "w2"}),
        (7, Kind.TASK_SUCCEEDED, {**_run(6), "worker": "w2", "result": "int"}),
        state="succeeded", worker="w2", started_at=_at(6), finished_at=_at(7), error_type="",
    ),
    _trace(
        "skipped", _ENQUEUED, _RECEIVED, _STARTED, (3, Kind.TASK_SKIPPED, _run(2)), state=str(State.SKIPPED),
    ),
)  # fmt: skip
