"""What an agent sends, for tests that stand where an agent stands."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
import uuid
from typing import Any

from z4j_core import wire

from z4j_brain.gateway import parser
from z4j_brain.lib.batch import ParsedBatch

START = 1_790_000_000_000_000
BOOT = uuid.UUID("01900000-0000-7000-8000-000000000001")
CAPABILITIES = {
    "retry": {"note": "", "support": "native"},
    "cancel": {"note": "kills the child process when running", "support": "native"},
}


def event(seq: int, kind: str = "task.received", task_id: str = "t1", **more: Any) -> dict[str, Any]:
    told = {"seq": seq, "kind": kind, "ts": START + seq, "engine": "celery", "task_id": task_id, "attempt": 0}
    return told | more


def online(seq: int = 1, *, vault: str = "v1", allowed: tuple[str, ...] = ("retry", "cancel")) -> dict[str, Any]:
    data = {
        "role": "worker",
        "versions": {"z4j-bare": "0.1.0"},
        "engines": [{"name": "celery", "version": "5.7.0", "capabilities": CAPABILITIES}],
        "vault": vault,
        "allowed": list(allowed),
    }
    return {"seq": seq, "kind": "agent.online", "ts": START + seq, "data": data}


def batch(*events: Any, boot: uuid.UUID | None = None, first: int = -1, role: str = "worker") -> dict[str, Any]:
    return {
        "v": wire.VERSION,
        "boot": str(boot or uuid.uuid4()),
        "first": events[0]["seq"] if first < 0 else first,
        "agent": {"name": "shop", "host": "host-1", "pid": 7, "role": role},
        "events": list(events),
    }


def raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def parsed(*events: Any, **more: Any) -> ParsedBatch:
    return parser.parse(raw(batch(*events, **more)))


def zipped(body: dict[str, Any] | bytes) -> bytes:
    return gzip.compress(body if isinstance(body, bytes) else raw(body), 6)


def opened(signed: wire.Signed) -> dict[str, Any]:
    """The command inside a signed message."""
    return dict(json.loads(base64.b64decode(signed["body"])))


def task_name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def now() -> int:
    return time.time_ns() // 1000
