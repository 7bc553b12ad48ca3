"""Bodies that have broken servers: whole ones that cannot be read, and single events that poison a batch."""

from __future__ import annotations

import gzip
import json
import zlib

from tests import wire as sent


def _text(value: object) -> str:
    """As agents write it, so that an event that may not be taken comes as near to being taken as it can."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


GOOD = _text(sent.event(2))


def around(event: str) -> bytes:
    """A batch of three with this text in the middle."""
    body = sent.batch(sent.event(1), sent.event(3))
    first, last = (_text(one) for one in body.pop("events"))
    return f'{_text(body)[:-1]},"events":[{first},{event},{last}]}}'.encode()


def told(**more: object) -> str:
    return _text(sent.event(2, **more))


def put(field: str, text: str) -> str:
    """A good event with a field of this literal text."""
    return f'{GOOD[:-1]},"{field}":{text}}}'


#: An event's text, and the code with which it is turned away.
POISON = {
    "infinity by exponent": (put("runtime_ms", "1e400"), "number"),
    "NaN": (put("runtime_ms", "NaN"), "number"),
    "integer of 5,000 digits": (put("priority", "9" * 5000), "number"),
    "integer beyond 64 bits": (put("other", str(2**64)), "number"),
    "duplicate key": (put("seq", "2"), "duplicate_key"),
    "duplicate key inside": (put("data", '{"a":1,"a":2}'), "duplicate_key"),
    "100,000 deep": (put("data", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"), "too_deep"),
    "900 deep": (put("data", '{"a":' + "[" * 900 + "]" * 900 + "}"), "too_deep"),
    "33 deep": (put("data", '{"a":' + "[" * 33 + "]" * 33 + "}"), "too_deep"),
    "2,001 nodes": (put("data", _text({"a": [0] * 2001})), "too_many_nodes"),
    "2,001 fields": (_text(sent.event(2) | {f"f{number}": 0 for number in range(2001)}), "too_many_nodes"),
    "string over 16 KiB": (told(args="x" * (16 * 1024 + 1)), "too_long"),
    "event over 32 KiB": (told(args="x" * 16_000, kwargs="x" * 16_000, result="y" * 16_000), "too_large"),
    "id over 255": (told(task_id="x" * 256), "too_long"),
    "raw control character": (put("name", '"a\x00b"'), "malformed"),
    "broken token": ('{"seq":2,"kind":nonsense}', "malformed"),
    "a number": ("7", "not_an_object"),
    "a list": ("[[]]", "not_an_object"),
    "null": ("null", "not_an_object"),
    "no kind": ('{"seq":2,"ts":1}', "field"),
    "no seq": ('{"kind":"task.started","ts":1,"engine":"e","task_id":"t"}', "field"),
    "negative seq": ('{"seq":-2,"kind":"task.started","ts":1,"engine":"e","task_id":"t"}', "field"),
    "seq as text": ('{"seq":"2","kind":"task.started","ts":1,"engine":"e","task_id":"t"}', "field"),
    "seq as truth": ('{"seq":true,"kind":"task.started","ts":1,"engine":"e","task_id":"t"}', "field"),
    "time after the year 9999": ('{"seq":2,"kind":"task.started","ts":253402300800000000}', "field"),
    "time with a fraction": ('{"seq":2,"kind":"task.started","ts":1.5}', "field"),
    "task event without a task": ('{"seq":2,"kind":"task.started","ts":1}', "field"),
    "worker event without a worker": ('{"seq":2,"kind":"worker.online","ts":1,"engine":"e"}', "field"),
    "kind as a list": ('{"seq":2,"kind":["task.started"],"ts":1}', "field"),
    "attempt beyond all tries": (told(attempt=2**31), "field"),
    "priority beyond 32 bits": (told(priority=2**31), "field"),
    "args as data": (told(args=[1, 2]), "field"),
    "error as text": (told(error="boom"), "field"),
    "error type as a number": (told(error={"type": 1, "message": "m"}), "field"),
    "truncated names no field": (told(truncated=[{"a": 1}]), "field"),
    "data as a list": (told(data=[1]), "field"),
    "runtime as text": (told(runtime_ms="1"), "field"),
}

#: Events that look bad, and are taken all the same, made harmless: the field and what it holds afterwards.
CLEANED = {
    "NUL": (put("name", '"a\\u0000b"'), "a\\u0000b"),
    "lone surrogate": (put("name", '"a\\ud800b"'), "a\\ud800b"),
    "bidi override": (told(name="evil\u202egnp.exe"), "evil\\u202egnp.exe"),
    "bidi override, escaped": (put("name", '"a\\u2066b"'), "a\\u2066b"),
    "escape sequence": (told(name="\x1b[31mred"), "\\u001b[31mred"),
    "carriage return": (told(name="a\rb"), "a\\u000db"),
    "delete": (told(name="a\x7fb"), "a\\u007fb"),
    "C1 control": (told(name="a\x9bb"), "a\\u009bb"),
    "tab and newline stay": (told(name="a\tb\nc"), "a\tb\nc"),
    "emoji stay": (told(name="🚀 größer…"), "🚀 größer…"),
    "name over 512 is cut": (told(name="x" * 600), "x" * 512),
}

_ENVELOPE = json.dumps(sent.batch(sent.event(1)))

#: Whole bodies that are refused: body, encoding, status and code.
REFUSED = {
    "empty": (b"", "", 400, "malformed"),
    "no JSON": (b"hello", "", 400, "malformed"),
    "not UTF-8": (b'{"v":\xff}', "", 400, "malformed"),
    "cut off": (_ENVELOPE[:-20].encode(), "", 400, "malformed"),
    "a list": (b"[]", "", 400, "envelope"),
    "null": (b"null", "", 400, "envelope"),
    "deep": (b"[" * 100_000, "", 400, "malformed"),
    "duplicate key": (_ENVELOPE.replace('"v": 1', '"v": 1, "v": 1').encode(), "", 400, "duplicate_key"),
    "version of tomorrow": (_ENVELOPE.replace('"v": 1', '"v": 99').encode(), "", 400, "version"),
    "version as truth": (_ENVELOPE.replace('"v": 1', '"v": true').encode(), "", 400, "version"),
    "no boot": (_ENVELOPE.replace('"boot"', '"boat"').encode(), "", 400, "envelope"),
    "boot is no UUID": (json.dumps(sent.batch(sent.event(1)) | {"boot": 5}).encode(), "", 400, "envelope"),
    "first is text": (json.dumps(sent.batch(sent.event(1)) | {"first": "1"}).encode(), "", 400, "envelope"),
    "nobody sends": (json.dumps(sent.batch(sent.event(1)) | {"agent": None}).encode(), "", 400, "envelope"),
    "a role nobody knows": (sent.raw(sent.batch(sent.event(1), role="king")), "", 400, "envelope"),
    "events are an object": (json.dumps(sent.batch(sent.event(1)) | {"events": {}}).encode(), "", 400, "envelope"),
    "501 events": (sent.raw(sent.batch(*map(sent.event, range(501)))), "", 413, "too_many_events"),
    "broken gzip": (b"\x1f\x8b\x08nonsense", "gzip", 400, "gzip"),
    "gzip that is none": (_ENVELOPE.encode(), "gzip", 400, "gzip"),
    "gzip cut off": (sent.zipped(_ENVELOPE.encode())[:-4], "gzip", 400, "gzip"),
    "gzip and more": (sent.zipped(_ENVELOPE.encode()) * 2, "gzip", 400, "gzip"),
    "gzip with a wrong sum": (sent.zipped(_ENVELOPE.encode())[:-8] + b"\0" * 8, "gzip", 400, "gzip"),
    "bomb by ratio": (gzip.compress(b"0" * 4_000_000), "gzip", 413, "bomb"),
    "bomb by size": (gzip.compress(b"0" * 100_000_000, 1), "gzip", 413, "bomb"),
    "bomb in a bomb": (gzip.compress(gzip.compress(b"0" * 50_000_000, 1)), "gzip", 413, "bomb"),
    "deflate": (zlib.compress(_ENVELOPE.encode()), "deflate", 415, "encoding"),
}
