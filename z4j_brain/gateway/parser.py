"""What agents send, as it arrives: hostile until shown otherwise.

A body is refused as a whole (a Problem, always 4xx) only when its envelope cannot be read. An event that cannot be
taken is turned away by itself with a code, and the rest of its batch goes on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from z4j_core import wire
from z4j_core.revealed import MAX_REVEALED
from z4j_core.sealed import is_sealed

from z4j_brain.gateway import plain, schedules, strictjson
from z4j_brain.gateway.strictjson import Flaw
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent, RejectedEvent, Sender
from z4j_brain.lib.bulk import MAX_TIME
from z4j_brain.lib.problem import Problem

ROLES = frozenset({"worker", "producer", "scheduler"})
MAX_RATIO = 200
RATIO_FREE = 64 * 1024

#: What names something: longer is refused, because cutting would make two things one.
_IDS = {"kind": 32, "engine": 32, "vault": 64, "source": 32} | dict.fromkeys(
    ("task_id", "root_id", "parent_id", "group_id", "trace_id", "retry_of", "schedule"), wire.MAX_ID
)
#: What is shown: cut to the width of its column.
_LABELS = {"name": wire.MAX_NAME, "queue": 255, "worker": 255}
_ERROR = {"type": 255, "reason": 32, "message": wire.MAX_STRING, "traceback": wire.MAX_STRING}
_TEXTS = frozenset((*_IDS, *_LABELS, "args", "kwargs", "result"))
_NUMBERS = {
    "seq": (0, strictjson.MAX_INT),
    "attempt": (0, 1_000_000),
    "max_attempts": (0, 2**31 - 1),
    "priority": (-(2**31), 2**31 - 1),
} | dict.fromkeys(("ts", "run", "eta", "expires"), (0, MAX_TIME))
#: The narrowest column: a shorter string fits wherever a string may stand.
_SHORT = 32
_SHAPES: dict[str, type] = {"error": dict, "progress": dict, "data": dict, "sealed": dict, "truncated": list}

_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SEQ_OF = itemgetter("seq")
_TASK_KINDS = frozenset(str(kind) for kind in wire.Kind if kind.startswith("task."))
_SEQ = re.compile(rb'"seq"\s*:\s*(\d{1,18})\b')


def unzip(body: bytes, encoding: str) -> bytes:
    """The raw body, at most MAX_RAW of it, and never much more than what was sent. Raises Problem."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Problem(415, "encoding", "Unsupported encoding", "Bodies come plain or as gzip.")
    unzipper = zlib.decompressobj(wbits=31)
    try:
        raw = unzipper.decompress(body, wire.MAX_RAW + 1)
    except zlib.error as error:
        raise Problem(400, "gzip", "Broken gzip", "The body is not valid gzip.") from error
    if len(raw) > wire.MAX_RAW or len(raw) > max(RATIO_FREE, MAX_RATIO * len(body)):
        raise Problem(413, "bomb", "Too large", "The body unpacks to more than may be sent.")
    if not unzipper.eof or unzipper.unused_data:
        raise Problem(400, "gzip", "Broken gzip", "The gzip body is cut off, or something follows it.")
    return raw


def parse(raw: bytes) -> ParsedBatch:
    """A batch from the raw body of POST events. Raises Problem when its envelope cannot be read."""
    if (batch := _at_once(raw)) is not None:
        return batch
    return _carefully(raw)


def _carefully(raw: bytes) -> ParsedBatch:
    """Event by event, with every rule: what the fast way takes, this takes alike."""
    if (exact := strictjson.loads_exact(raw)) is not None:
        return _batch(exact, raw, harmless=plain.is_harmless(raw))
    try:
        return _batch(strictjson.loads_strict(raw), raw, harmless=False)
    except Flaw:
        return _piecewise(raw)


def parse_results(raw: bytes) -> wire.Results:
    """The raw body of POST results. Raises Problem."""
    try:
        body = clean(strictjson.loads(raw))
    except Flaw as flaw:
        raise Problem(400, flaw.code, "Malformed body", "The body is not valid JSON.") from flaw
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise _envelope("results is a list of outcomes.")
    if len(body["results"]) > wire.MAX_TARGETS:
        raise Problem(413, "too_many_results", "Too many results", f"At most {wire.MAX_TARGETS} in one body.")
    return wire.Results(
        v=_version(body),
        boot=str(_uuid(body, "boot")),
        command=str(_uuid(body, "command")),
        fence=_number(body, "fence", 2**31 - 1),
        results=[_result(result) for result in body["results"]],
    )


def boot_of(results: wire.Results) -> UUID:
    return UUID(results["boot"])


def clean(value: Any, depth: int = 0) -> Any:
    """`value` with every character that lies about a text made visible: NUL becomes the six characters \\u0000."""
    if depth > wire.MAX_DEPTH:
        raise Flaw("too_deep")
    if isinstance(value, str):
        return _HARMFUL.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    if isinstance(value, list):
        return [clean(part, depth + 1) for part in value]
    if isinstance(value, dict):
        return {clean(key): clean(part, depth + 1) for key, part in value.items()}
    return value


def _at_once(raw: bytes) -> ParsedBatch | None:
    """The batch, when there is nothing in it to clean, to cut or to turn away. None says nothing about it."""
    if (read := plain.read(raw)) is None:
        return None
    body, events, texts = read
    try:
        for event in events:
            if not (event["kind"] in _TASK_KINDS and "engine" in event and "task_id" in event):
                _check_kind(event)
            if "data" in event or "progress" in event:
                _check_nodes(event, [value for value in event.values() if isinstance(value, dict | list)])
        apart = [_apart(event) for event in events] if any("sealed" in event for event in events) else None
    except Flaw:
        return None
    batch = _head(body, len(events), raw)
    if apart is None:
        batch.events.extend(map(ParsedEvent, map(_SEQ_OF, events), events, texts))
    else:
        texts = [orjson.dumps(event).decode() for event in events]
        batch.events.extend(map(ParsedEvent, map(_SEQ_OF, events), events, texts, apart))
    return batch


def _batch(body: Any, raw: bytes, *, harmless: bool) -> ParsedBatch:
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list):
        raise _envelope("A batch is an object with a list of events.")
    batch = _head(body, len(events), raw)
    for event in events:
        try:
            batch.events.append(_take(event if harmless else clean(event), harmless=harmless))
        except Flaw as flaw:
            seq = event.get("seq") if isinstance(event, dict) else None
            batch.rejected.append(_reject(_dump(event), flaw.code, seq))
    return batch


def _piecewise(raw: bytes) -> ParsedBatch:
    """The slow way: the envelope and each event read by themselves."""
    try:
        parts = strictjson.members(raw)
        pieces = strictjson.split(parts.pop("events", b""))
        body = {name: strictjson.loads_strict(part) for name, part in parts.items()}
    except Flaw as flaw:
        raise Problem(400, flaw.code, "Malformed body", "The body is not a valid batch.") from flaw
    batch = _head(body, len(pieces), raw)
    for piece in pieces:
        try:
            batch.events.append(_take(clean(strictjson.loads_strict(piece)), harmless=False))
        except Flaw as flaw:
            match = _SEQ.search(piece)
            batch.rejected.append(_reject(piece, flaw.code, int(match[1]) if match else None))
    return batch


def _head(body: dict[str, Any], count: int, raw: bytes) -> ParsedBatch:
    if count > wire.MAX_EVENTS:
        raise Problem(413, "too_many_events", "Too many events", f"A batch holds at most {wire.MAX_EVENTS} events.")
    return ParsedBatch(
        version=_version(body),
        boot=_uuid(body, "boot"),
        first=_number(body, "first", strictjson.MAX_INT),
        digest=hashlib.sha256(raw).hexdigest(),
        sender=_sender(body.get("agent")),
    )


def _version(body: dict[str, Any]) -> int:
    version = body.get("v")
    if version not in wire.SERVED or isinstance(version, bool):
        raise Problem(400, "version", "Unknown version", f"This brain speaks {', '.join(map(str, wire.SERVED))}.")
    return int(version)


def _uuid(body: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(body.get(name))
    except (ValueError, TypeError, AttributeError) as error:
        raise _envelope(f"{name} is a UUID.") from error


def _number(body: dict[str, Any], name: str, most: int) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise _envelope(f"{name} is a whole number.")
    return value


def _sender(agent: Any) -> Sender:
    agent = agent if isinstance(agent, dict) else {}
    name, host, role = (agent.get(part) for part in ("name", "host", "role"))
    if not (isinstance(name, str) and isinstance(host, str) and isinstance(role, str) and role in ROLES):
        raise _envelope("agent has a name, a host, a pid and a role: worker, producer or scheduler.")
    return Sender(clean(name)[:255], clean(host)[:255], _number(agent, "pid", 2**31 - 1), role)


def _envelope(detail: str) -> Problem:
    return Problem(400, "envelope", "Not a batch", detail)


def _take(event: Any, *, harmless: bool) -> ParsedEvent:
    """The event, safe to store. Raises Flaw."""
    if type(event) is not dict:
        raise Flaw("not_an_object")
    nested = _check_fields(event)
    _check_kind(event)
    _check_nodes(event, nested)
    try:
        text = orjson.dumps(event)
    except (TypeError, ValueError) as error:
        raise Flaw("malformed") from error
    if len(text) > wire.MAX_EVENT:
        raise Flaw("too_large")
    if "sealed" in event:
        sealed = _apart(event)
        return ParsedEvent(event["seq"], event, orjson.dumps(event).decode(), sealed)
    return ParsedEvent(event["seq"], event, text.decode())


def _apart(event: dict[str, Any]) -> tuple[str, bytes] | None:
    """Take what came sealed out of the event: it is kept by itself, and shown to nobody. Raises Flaw."""
    if (sealed := event.pop("sealed", None)) is None:
        return None
    if not is_sealed(sealed):
        raise Flaw("field")
    try:
        return sealed["kid"], base64.b64decode(sealed["blob"], validate=True)
    except ValueError as error:
        raise Flaw("field") from error


def _check_fields(event: dict[str, Any]) -> list[Any]:
    """Check the event's own fields, cut its labels, and return those values that hold others."""
    nested = []
    for key, value in event.items():
        if type(value) is str:
            if len(value) > _SHORT or key not in _TEXTS:
                _check_text(event, key, value)
        elif type(value) is int:
            least, most = _NUMBERS.get(key, (-strictjson.MAX_INT - 1, strictjson.MAX_INT))
            if not least <= value <= most or key in _TEXTS or key in _SHAPES:
                raise Flaw("field")
        elif value is None:
            continue
        elif key in _TEXTS or key in _NUMBERS or (key in _SHAPES and type(value) is not _SHAPES[key]):
            raise Flaw("field")
        elif isinstance(value, dict | list):
            nested.append(value)
        elif key == "runtime_ms" and type(value) is not float:
            raise Flaw("field")
    if error := event.get("error"):
        _check_error(error)
    if not all(type(part) is str for part in event.get("truncated") or ()):
        raise Flaw("field")
    return nested


def _check_text(event: dict[str, Any], key: str, value: str) -> None:
    if key in _NUMBERS or key in _SHAPES or key == "runtime_ms":
        raise Flaw("field")
    if len(value) > _IDS.get(key, wire.MAX_STRING):
        raise Flaw("too_long")
    if key in _LABELS and len(value) > _LABELS[key]:
        event[key] = value[: _LABELS[key]]


def _check_error(error: dict[str, Any]) -> None:
    for key, most in _ERROR.items():
        value = error.get(key)
        if value is not None and type(value) is not str:
            raise Flaw("field")
        if value is not None and len(value) > most:
            error[key] = value[:most]


def _check_kind(event: dict[str, Any]) -> None:
    """Is everything there that events of this kind are found by?"""
    kind = event.get("kind")
    if not kind or event.get("ts") is None or event.get("seq") is None:
        raise Flaw("field")
    if kind.startswith("task.") and not (event.get("engine") and event.get("task_id")):
        raise Flaw("field")
    if kind.startswith("worker.") and not (event.get("engine") and event.get("worker")):
        raise Flaw("field")
    if kind == wire.Kind.QUEUE_SNAPSHOT and not (event.get("engine") and event.get("queue")):
        raise Flaw("field")
    if kind.startswith("schedule") and not schedules.is_whole(event):
        raise Flaw("field")


def _check_nodes(event: dict[str, Any], nested: list[Any]) -> None:
    """Are there few enough values in the event, of which `nested` hold others?"""
    if len(event) > wire.MAX_NODES or (nested and _nodes(nested) + len(event) > wire.MAX_NODES):
        raise Flaw("too_many_nodes")


def _nodes(values: list[Any]) -> int:
    """How many values are inside `values`. Raises Flaw when they are too deep, or one of them is too large."""
    count, level, depth = 0, values, 1
    while level:
        depth += 1
        if depth > wire.MAX_DEPTH:
            raise Flaw("too_deep")
        inner: list[Any] = []
        for value in level:
            parts = value if isinstance(value, list) else [*value, *value.values()]
            count += len(parts)
            if count > wire.MAX_NODES:
                raise Flaw("too_many_nodes")
            inner += [part for part in parts if isinstance(part, dict | list)]
            if any(type(part) is str and len(part) > wire.MAX_STRING for part in parts):
                raise Flaw("too_long")
        level = inner
    return count


def _result(result: Any) -> wire.Result:
    if not isinstance(result, dict) or not isinstance(result.get("outcome"), str):
        raise _envelope("A result names an item and its outcome.")
    read = wire.Result(
        item=_number(result, "item", strictjson.MAX_INT),
        outcome=result["outcome"][:24],
        detail=str(result.get("detail") or "")[:500],
        code=str(result.get("code") or "")[:32],
        new_task_id=str(result.get("new_task_id") or "")[: wire.MAX_ID],
    )
    if (blob := result.get("revealed")) is not None:
        read["revealed"] = _revealed(blob)
    return read


def _revealed(blob: Any) -> str:
    """In base64, as `z4j_core.revealed` bounds it."""
    try:
        if not isinstance(blob, str) or not 0 < len(blob) <= MAX_REVEALED or not base64.b64decode(blob, validate=True):
            raise ValueError
    except ValueError:
        raise _envelope("What is revealed is not of its form.") from None
    return blob


def _reject(raw: bytes, code: str, seq: Any) -> RejectedEvent:
    known = seq if type(seq) is int and 0 <= seq <= strictjson.MAX_INT else -1
    return RejectedEvent.of(known, code, raw)


def _dump(value: Any) -> bytes:
    """The bytes of a value that was turned away, to weigh and to hash; too deep to be written, it has none."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b""
