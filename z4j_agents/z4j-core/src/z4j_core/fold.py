"""From events to a task: one pure function, used by the brain and by the tests of every adapter.

A row is `fold` over all events of a task in the order of `order_key`. Because it is a left fold,
`fold(fold(None, a), b) == fold(None, a + b)` for sorted `a + b`; an event whose key is below the row's `fold_key` came
late, and the row has to be folded anew from all events.

The order: attempt, then run (a run starts later than what it replaces), then rank inside the run. What a reconciler
says, and `lost`, are soft: they lose to any live event of the same rank. Times are microseconds; 0 is "before all".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from z4j_core.wire import FINAL, RANK, Kind, Source, State

Row = dict[str, Any]
Key = tuple[int, int, int, int, int, str, int]

_STATE: Final[dict[str, State]] = {
    Kind.TASK_ENQUEUED: State.QUEUED,
    Kind.TASK_RECEIVED: State.RECEIVED,
    Kind.TASK_STARTED: State.STARTED,
    Kind.TASK_PROGRESS: State.STARTED,
    Kind.TASK_RETRYING: State.RETRYING,
    Kind.TASK_SUCCEEDED: State.SUCCEEDED,
    Kind.TASK_FAILED: State.FAILED,
    Kind.TASK_CANCELLED: State.CANCELLED,
    Kind.TASK_EXPIRED: State.EXPIRED,
    Kind.TASK_REJECTED: State.REJECTED,
    Kind.TASK_SKIPPED: State.SKIPPED,
    Kind.TASK_DEAD_LETTERED: State.DEAD_LETTERED,
    Kind.TASK_LOST: State.LOST,
}
#: Of a progress report: after the start, before any end.
_PROGRESS_RANK: Final = 32

_TEXTS: Final = dict.fromkeys((
    "name", "queue", "worker", "root_id", "parent_id", "group_id", "retry_of", "schedule", "args", "kwargs", "result",
    "vault",
), "")  # fmt: skip
_NUMBERS: Final = dict.fromkeys(("max_attempts", "priority", "expires", "runtime_ms"))
_ERROR: Final = {
    "error_type": "type",
    "error_message": "message",
    "traceback": "traceback",
    "error_reason": "reason",
}
_MOST: Final = 10**18
#: Parts of an event that may arrive cut; `truncated` names those of the row that were.
_CUTTABLE: Final = ("args", "kwargs", "result", "error")


def empty() -> Row:
    """A row before its first event: the fields of a task that events fill."""
    row: Row = dict.fromkeys((*_TEXTS, *_ERROR, "fold_key"), "")
    row |= dict.fromkeys((*_NUMBERS, "eta", "enqueued_at", "received_at", "started_at", "finished_at"))
    return row | {"state": str(State.QUEUED), "attempt": 0, "truncated": [], "first_at": None, "last_at": None}


def order_key(event: Mapping[str, Any], boot: str) -> Key:
    """Where an event belongs among the events of its task."""
    soft = event.get("source") == Source.RECONCILE or event["kind"] == Kind.TASK_LOST
    return (
        _whole(event.get("attempt")),
        _whole(event.get("run")),
        _rank(event),
        0 if soft else 1,
        _whole(event["ts"]),
        boot,
        _whole(event["seq"]),
    )


def key_text(key: Key) -> str:
    """The key as text that sorts as the key does (ASCII): what a row keeps as `fold_key`."""
    attempt, run, rank, live, ts, boot, seq = key
    return f"{attempt:010d} {run:019d} {rank:03d} {live:d} {ts:019d} {boot} {seq:019d}"


def fold(row: Row | None, events: Iterable[tuple[Key, Mapping[str, Any]]]) -> Row:
    """`row` after `events`, which are sorted by key and not below the row's `fold_key`. `row` itself is not changed."""
    row = empty() if row is None else dict(row)
    for key, event in events:
        _describe(row, event)
        _move(row, event)
        row["fold_key"] = key_text(key)
    return row


def _whole(value: Any) -> int:
    """A non-negative number of at most 19 digits, so that keys sort alike as tuples and as text."""
    if type(value) is int and 0 <= value <= _MOST:  # nearly always; this runs eight times an event
        return value
    return min(max(value, 0), _MOST) if isinstance(value, int) else 0


def _waits(event: Mapping[str, Any]) -> bool:
    return _whole(event.get("eta")) > _whole(event["ts"])


def _rank(event: Mapping[str, Any]) -> int:
    kind = event["kind"]
    if kind == Kind.TASK_PROGRESS:
        return _PROGRESS_RANK
    state = _STATE.get(kind)
    if state is None:
        return 0
    if state is State.QUEUED and _waits(event):
        state = State.SCHEDULED
    return RANK[state]


def _describe(row: Row, event: Mapping[str, Any]) -> None:
    """What the event tells about the task, whatever state it is in."""
    ts = _whole(event["ts"])
    row["first_at"] = ts if row["first_at"] is None else min(row["first_at"], ts)
    row["last_at"] = ts if row["last_at"] is None else max(row["last_at"], ts)
    for name, value in event.items():
        if (name in _TEXTS and value) or (name in _NUMBERS and value is not None):
            row[name] = value
    if error := event.get("error"):
        row |= {field: error.get(name) or "" for field, name in _ERROR.items()}
    told = {name for name in _CUTTABLE if event.get(name)}
    if told:
        row["truncated"] = sorted((set(row["truncated"]) - told) | (told & set(event.get("truncated") or ())))


def _move(row: Row, event: Mapping[str, Any]) -> None:
    """Bring the row into the state the event speaks of."""
    state = _STATE.get(event["kind"])
    if state is None:
        return
    # A cancelled task has been seen to run all the same: only a start or an end proves it; a place in a queue does not.
    if row["state"] == State.CANCELLED and state not in FINAL and state is not State.STARTED:
        return
    attempt = _whole(event.get("attempt"))
    opened = attempt + 1 if state is State.RETRYING else attempt
    if opened != row["attempt"]:
        row |= {"attempt": opened, "enqueued_at": None, "received_at": None, "started_at": None, "eta": None}
    if state in FINAL:
        _finish(row, event, state)
    else:
        _go_on(row, event, state)


def _go_on(row: Row, event: Mapping[str, Any], state: State) -> None:
    ts = _whole(event["ts"])
    row |= {"finished_at": None, "result": "", "runtime_ms": None}
    if state is State.STARTED:
        row |= {"started_at": _whole(event.get("run")) or ts}
    elif state is State.RECEIVED:
        row |= {"received_at": ts, "eta": event.get("eta") or row["eta"]}
    else:
        row |= {"enqueued_at": ts, "eta": event.get("eta")}
    if state in (State.QUEUED, State.RECEIVED) and _waits(event):
        # Waiting for its time, in a queue or in a worker's memory, is one thing to whoever looks at it.
        state = State.RETRYING if row["attempt"] else State.SCHEDULED
    row["state"] = str(state)


def _finish(row: Row, event: Mapping[str, Any], state: State) -> None:
    row |= {"state": str(state), "finished_at": _whole(event["ts"])}
    if not event.get("error"):
        row |= dict.fromkeys(_ERROR, "")
    if not event.get("result"):
        row["result"] = ""
    row["runtime_ms"] = event.get("runtime_ms")
