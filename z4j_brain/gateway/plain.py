"""The common case of a batch: events of known fields within their bounds, checked while they are decoded.

What is refused here is not refused by the brain. It goes the careful way, event by event, where every rule stands; this
only says of most bodies, fast, that no rule can be broken in them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
import orjson
from msgspec import Meta
from z4j_core import sealed, wire

from z4j_brain.lib.bulk import MAX_TIME

_MAX_INT = 2**63 - 1
#: A text of so many characters is no larger than an event may be, whatever they are.
_SMALL = wire.MAX_EVENT // 4

_Id = Annotated[str, Meta(max_length=wire.MAX_ID)] | None
_Name = Annotated[str, Meta(max_length=255)]
_Label = _Name | None
_Text = Annotated[str, Meta(max_length=wire.MAX_STRING)] | None
_Word = Annotated[str, Meta(min_length=1, max_length=32)]
_Time = Annotated[int, Meta(ge=0, le=MAX_TIME)]


class _Error(TypedDict, total=False):
    type: _Label
    message: _Text
    traceback: _Text
    reason: Annotated[str, Meta(max_length=32)] | None


class _Sealed(TypedDict):
    kid: Annotated[str, Meta(min_length=1, max_length=sealed.KID)]
    blob: Annotated[str, Meta(min_length=1, max_length=sealed.MAX_BLOB)]


class _Event(TypedDict):
    """As `wire.Event`, with the bounds that the careful way holds every field to."""

    seq: Annotated[int, Meta(ge=0, le=_MAX_INT)]
    kind: _Word
    ts: _Time
    engine: NotRequired[_Word]
    task_id: NotRequired[Annotated[str, Meta(min_length=1, max_length=wire.MAX_ID)]]
    name: NotRequired[Annotated[str, Meta(max_length=wire.MAX_NAME)] | None]
    queue: NotRequired[_Label]
    worker: NotRequired[_Label]
    attempt: NotRequired[Annotated[int, Meta(ge=0, le=1_000_000)] | None]
    max_attempts: NotRequired[Annotated[int, Meta(ge=0, le=2**31 - 1)] | None]
    run: NotRequired[_Time | None]
    priority: NotRequired[Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None]
    root_id: NotRequired[_Id]
    parent_id: NotRequired[_Id]
    group_id: NotRequired[_Id]
    trace_id: NotRequired[_Id]
    retry_of: NotRequired[_Id]
    schedule: NotRequired[_Id]
    eta: NotRequired[_Time | None]
    expires: NotRequired[_Time | None]
    args: NotRequired[_Text]
    kwargs: NotRequired[_Text]
    result: NotRequired[_Text]
    runtime_ms: NotRequired[Annotated[int, Meta(ge=-_MAX_INT, le=_MAX_INT)] | float | None]
    error: NotRequired[_Error | None]
    vault: NotRequired[Annotated[str, Meta(max_length=64)] | None]
    sealed: NotRequired[_Sealed | None]
    source: NotRequired[Annotated[str, Meta(max_length=32)] | None]
    truncated: NotRequired[Annotated[list[_Name], Meta(max_length=16)] | None]
    progress: NotRequired[dict[str, Any] | None]
    data: NotRequired[dict[str, Any] | None]


class _Batch(TypedDict):
    v: NotRequired[Any]
    boot: NotRequired[Any]
    first: NotRequired[Any]
    agent: NotRequired[Any]
    events: list[_Event]


_DECODER = msgspec.json.Decoder(_Batch)

#: In UTF-8, every way JSON has to write a character that `parser.clean` changes: its first byte, and all of it.
_HARMFUL = (
    (b"\x7f", re.compile(rb"\x7f")),
    (b"\\", re.compile(rb"\\[ubfr]")),
    (b"\xc2", re.compile(rb"\xc2[\x80-\x9f]")),
    (b"\xe2", re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])")),
)


def is_harmless(raw: bytes) -> bool:
    """Can no string in this JSON hold a character that `parser.clean` would change? Never wrongly true."""
    return not any(first in raw and pattern.search(raw) for first, pattern in _HARMFUL)


def read(raw: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]] | None:
    """The batch in `raw`, its events, and each event's own text. None says nothing about it.

    What is known afterwards: nothing is to be cleaned or cut, no key came twice, each field is of its type and within
    its bounds, no event is too large. What a kind needs, and how much `data` holds, is for the caller to check.
    """
    try:
        body: Any = _DECODER.decode(raw)
        texts = [orjson.dumps(event).decode() for event in body["events"]]
        again = orjson.dumps({**body, "events": orjson.Fragment(f"[{','.join(texts)}]")})
    except (ValueError, TypeError, RecursionError):
        return None
    # Written anew it is the same, byte for byte: so nothing was left out, and no key came twice.
    if again != raw or not is_harmless(raw):
        return None
    if any(len(text) > _SMALL and len(text.encode()) > wire.MAX_EVENT for text in texts):
        return None
    return body, body["events"], texts
