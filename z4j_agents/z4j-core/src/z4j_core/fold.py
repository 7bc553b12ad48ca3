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
Keyed = tuple[Key, Mapping[str, Any]]

# The words of the wire as plain texts: to find or to compare a member of an enum takes three times as long, and what
# stands here is asked several times an event.
_STATE: Final = {
    str(kind): str(state)
    for kind, state in {
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
    }.items()
}
_ENQUEUED: Final = str(Kind.TASK_ENQUEUED)
_LOST: Final = str(Kind.TASK_LOST)
_RECONCILE: Final = str(Source.RECONCILE)
_SCHEDULED: Final = str(State.SCHEDULED)
_QUEUED: Final = str(State.QUEUED)
_RECEIVED: Final = str(State.RECEIVED)
_STARTED: Final = str(State.STARTED)
_RETRYING: Final = str(State.RETRYING)
_CANCELLED: Final = str(State.CANCELLED)

_WAITING_RANK: Final = RANK[State.SCHEDULED]
#: Of a progress report: after the start, before any end.
_PROGRESS_RANK: Final = 32
_RANK: Final = {kind: RANK[State(state)] for kind, state in _STATE.items()} | {str(Kind.TASK_PROGRESS): _PROGRESS_RANK}
_FINAL: Final = frozenset(map(str, FINAL))
#: What proves that a task runs or has run.
_PROOF: Final = _FINAL | {_STARTED}

#: What is shown as the last event has it that tells it at all: a text, or a number.
_TEXTS: Final = frozenset((
    "name", "queue", "worker", "root_id", "parent_id", "group_id", "trace_id", "retry_of", "schedule", "args", "kwargs",
    "vault",
))  # fmt: skip
_NUMBERS: Final = frozenset(("max_attempts", "priority", "expires"))
_TOLD: Final = _TEXTS | _NUMBERS
_ERROR: Final = {
    "error_type": "type",
    "error_message": "message",
    "traceback": "traceback",
    "error_reason": "reason",
}
_NO_ERROR: Final = dict.fromkeys(_ERROR, "")
_NEW_ATTEMPT: Final = dict.fromkeys(("enqueued_at", "received_at", "started_at", "eta"))
_MOST: Final = 10**18
#: Parts of an event that may arrive cut; `truncated` names those of the row that were.
_CUTTABLE: Final = ("args", "kwargs", "result", "error")
_BLANK: Final[Row] = (
    dict.fromkeys((*sorted(_TEXTS), "result", *_ERROR, "fold_key"), "")
    | dict.fromkeys((*sorted(_NUMBERS), "runtime_ms", *_NEW_ATTEMPT, "finished_at"))
    | {"state": _QUEUED, "attempt": 0, "truncated": [], "first_at": None, "last_at": None}
)


def empty() -> Row:
    """A row before its first event: the fields of a task that events fill."""
    return _BLANK | {"truncated": []}


def order_key(event: Mapping[str, Any], boot: str) -> Key:
    """Where an event belongs among the events of its task."""
    get, kind, ts, seq = event.get, event["kind"], event["ts"], event["seq"]
    attempt, run, source = get("attempt"), get("run"), get("source")
    # `_whole`, written out: nearly always there is nothing to do, and a call takes longer than to see that.
    if type(attempt) is not int or not 0 <= attempt <= _MOST:
        attempt = _whole(attempt)
    if type(run) is not int or not 0 <= run <= _MOST:
        run = _whole(run)
    if type(ts) is not int or not 0 <= ts <= _MOST:
        ts = _whole(ts)
    if type(seq) is not int or not 0 <= seq <= _MOST:
        seq = _whole(seq)
    rank = _WAITING_RANK if kind == _ENQUEUED and _whole(get("eta")) > ts else _RANK.get(kind, 0)
    soft = kind == _LOST or (source is not None and source == _RECONCILE)
    return attempt, run, rank, 0 if soft else 1, ts, boot, seq


def key_text(key: Key) -> str:
    """The key as text that sorts as the key does (ASCII): what a row keeps as `fold_key`."""
    # Formatted as numbers, they would take two to three times as long.
    attempt, run, rank, live, ts, boot, seq = map(str, key)
    return " ".join((attempt.zfill(10), run.zfill(19), rank.zfill(3), live, ts.zfill(19), boot, seq.zfill(19)))


def fold(row: Row | None, events: Iterable[Keyed]) -> Row:
    """`row` after `events`, each with its `order_key`, sorted by it and not below the row's `fold_key`.

    `row` itself is not changed.
    """
    row = empty() if row is None else dict(row)
    ordered = list(events)
    if ordered:
        told: dict[str, Any] = {}
        for key, event in ordered:
            told |= event
            _move(row, key, event)
        _describe(row, told, ordered)
        row["fold_key"] = key_text(ordered[-1][0])
    return row


def _whole(value: Any) -> int:
    """A non-negative number of at most 19 digits, so that keys sort alike as tuples and as text."""
    return int(min(max(value, 0), _MOST)) if isinstance(value, int) else 0


def _describe(row: Row, told: dict[str, Any], ordered: list[Keyed]) -> None:
    """What the events tell about the task, whatever state it is in. `told` is the last word of each."""
    for name, value in told.items():
        if name in _TOLD:
            if value:
                row[name] = value
            else:
                _recall(row, name, ordered)


def _recall(row: Row, name: str, ordered: list[Keyed]) -> None:
    """The last word on this field is empty: the last that is not stands. A number may be 0."""
    for _, event in ordered:
        value = event.get(name)
        if value or (value is not None and name in _NUMBERS):
            row[name] = value


def _move(row: Row, key: Key, event: Mapping[str, Any]) -> None:
    """Bring the row into the state the event speaks of."""
    attempt, run, _, _, ts, _, _ = key
    get, first, last = event.get, row["first_at"], row["last_at"]
    if first is None or ts < first:
        row["first_at"] = ts
    if last is None or ts > last:
        row["last_at"] = ts
    if row["truncated"] or get("truncated"):
        _cut(row, event)
    if error := get("error"):
        row |= {field: error.get(name) or "" for field, name in _ERROR.items()}
    state = _STATE.get(event["kind"])
    # A cancelled task has been seen to run all the same: only a start or an end proves it; a place in a queue does not.
    if state is None or (row["state"] == _CANCELLED and state not in _PROOF):
        _stay(row, event)
        return
    if state == _RETRYING:
        attempt += 1
    if attempt != row["attempt"]:
        row |= _NEW_ATTEMPT
        row["attempt"] = attempt
    if state in _FINAL:
        row["state"] = state
        row["finished_at"] = ts
        row["result"] = get("result") or ""
        row["runtime_ms"] = get("runtime_ms")
        if not error:
            row |= _NO_ERROR
        return
    row["finished_at"] = row["runtime_ms"] = None
    row["result"] = ""
    if state == _STARTED:
        row["state"] = state
        row["started_at"] = run or ts
    else:
        _wait(row, state, ts, get("eta"))


def _stay(row: Row, event: Mapping[str, Any]) -> None:
    """Events that move nothing still tell what came of the task."""
    if result := event.get("result"):
        row["result"] = result
    if (runtime := event.get("runtime_ms")) is not None:
        row["runtime_ms"] = runtime


def _wait(row: Row, state: str, ts: int, eta: Any) -> None:
    """In a queue, in a worker's memory, or before the next attempt."""
    if state == _RECEIVED:
        row["received_at"] = ts
        row["eta"] = eta or row["eta"]
    else:
        row["enqueued_at"] = ts
        row["eta"] = eta
    if state != _RETRYING and _whole(eta) > ts:
        # Waiting for its time, in a queue or in a worker's memory, is one thing to whoever looks at it.
        state = _RETRYING if row["attempt"] else _SCHEDULED
    row["state"] = state


def _cut(row: Row, event: Mapping[str, Any]) -> None:
    """Which parts of the row have come cut: of those the event tells, those it names."""
    if told := {name for name in _CUTTABLE if event.get(name)}:
        row["truncated"] = sorted((set(row["truncated"]) - told) | (told & set(event.get("truncated") or ())))
