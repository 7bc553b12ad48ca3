"""Events as bytes: one event as the spool keeps it, and a batch as it is frozen and sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from z4j_core import wire

#: What a batch may weigh before compression: well under the wire's limit, so that a sender never holds much.
RAW: Final = wire.MAX_RAW // 2
#: Past this, zlib takes three times as long for a few per cent.
LEVEL: Final = 3
#: How a spool that is full chooses: the oldest of the lowest weight goes first.
NOISE, STEP, FINAL = 0, 1, 2

_NOISE: Final = frozenset(
    {wire.Kind.TASK_PROGRESS, wire.Kind.WORKER_HEARTBEAT, wire.Kind.AGENT_HEARTBEAT, wire.Kind.QUEUE_SNAPSHOT}
)
_STEP: Final = frozenset(
    {wire.Kind.TASK_ENQUEUED, wire.Kind.TASK_RECEIVED, wire.Kind.TASK_STARTED, wire.Kind.TASK_RETRYING}
)


class Unfit(ValueError):
    """An event that cannot travel: no JSON, or too large whatever is cut."""


class Row(NamedTuple):
    """One event as the spool stores it: JSON without its seq."""

    kind: str
    weight: int
    at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Frozen:
    """A batch whose bytes no longer change. `seqs`: what is in it."""

    first: int
    last: int
    seqs: tuple[int, ...]
    body: bytes
    tries: int


def weight(kind: str) -> int:
    if kind in _NOISE:
        return NOISE
    return STEP if kind in _STEP else FINAL


def row(event: Mapping[str, Any]) -> Row:
    kind = str(event["kind"])
    return Row(kind, weight(kind), int(event["ts"]), encode(event))


def encode(event: Mapping[str, Any]) -> bytes:
    """The event as JSON, within the wire's limit. Raises Unfit."""
    body = _json(event)
    if len(body) <= wire.MAX_EVENT - 32:
        return body
    for lighter in _lighter(dict(event)):
        body = _json(lighter)
        if len(body) <= wire.MAX_EVENT - 32:
            return body
    raise Unfit("too_large")


def freeze(boot: str, identity: wire.Identity, rows: Sequence[tuple[int, bytes]]) -> bytes:
    """The body of one POST. The same rows give the same bytes."""
    events = [b'{"seq":%d,' % seq + body[1:] for seq, body in rows]
    head = {"v": wire.VERSION, "boot": boot, "first": rows[0][0], "agent": identity}
    raw = _json(head)[:-1] + b',"events":[' + b",".join(events) + b"]}"
    return gzip.compress(raw, compresslevel=LEVEL, mtime=0)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json(value: Mapping[str, Any]) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit("invalid") from error
    return text.encode("utf-8", "replace")


def _lighter(event: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The event with one thing less at each step: what is sealed (it is in the vault, too), the middle of the
    traceback, the result, the arguments.
    """
    truncated = list(event.get("truncated") or [])
    if event.pop("sealed", None):
        truncated.append("sealed")
        yield event | {"truncated": truncated}
    error = event.get("error")
    if isinstance(error, dict) and error.get("traceback"):
        trace = str(error["traceback"])
        cut = trace[:2000] + "\n  ...\n" + trace[-4000:] if len(trace) > 6100 else trace
        truncated.append("error.traceback")
        yield event | {"error": error | {"traceback": cut}, "truncated": truncated}
        event = event | {"error": error | {"traceback": cut}}
    for name in ("result", "args", "kwargs", "progress", "data"):
        if name in event:
            truncated.append(name)
            event = {key: value for key, value in event.items() if key != name}
            yield event | {"truncated": truncated}
