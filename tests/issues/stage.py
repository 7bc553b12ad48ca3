"""Failures as agents tell of them, and issues as rows."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from tests import wire as sent
from z4j_brain.issues.models import Issue
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import failing

OWN = "/srv/releases/20261127/shop/pay.py"
SECOND = 1_000_000


def traceback(
    *, file: str = OWN, line: int = 88, function: str = "charge", error: str = "TimeoutError: no answer"
) -> str:
    return f"""Traceback (most recent call last):
  File "/srv/.venv/lib/python3.12/site-packages/engine/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "{file}", line {line}, in {function}
    gateway.charge(order)
  File "/usr/lib/python3.12/socket.py", line 720, in readinto
    return self._sock.recv_into(b)
{error}
"""


def failed(seq: int, task_id: str, at: int = 0, *, kind: str = "task.failed", **more: Any) -> dict[str, Any]:
    """`at`: seconds after the start of all tests' events."""
    told = {"file": OWN, "line": 88, "function": "charge"}
    place = {name: more.pop(name, value) for name, value in told.items()}
    message = more.pop("message", "no answer")
    error = {"type": more.pop("type", "TimeoutError"), "message": message}
    event = sent.event(seq, kind, task_id, name=more.pop("name", "shop.charge"), **more)
    return event | {
        "ts": sent.START + at * SECOND,
        "error": error | {"traceback": traceback(**place, error=f"TimeoutError: {message}")},
    }


def issue(environment: Environment, **fields: Any) -> Issue:
    now = timezone.now()
    usual = {
        "name": "shop.charge",
        "error_type": "TimeoutError",
        "message": "no answer",
        "frame": "shop/shop/pay.py:88",
        "sample": 0,
        "count": 1,
        "first_at": now,
        "last_at": now,
    } | fields
    usual.setdefault("fingerprint", failing.fingerprint(str(usual["error_type"]), "", str(usual["name"])))
    return Issue.objects.create(environment=environment, **usual)


def furnished(environment: Environment, mark: str) -> Issue:
    """With the mark in every text, under an id of its own."""
    texts = ("name", "error_type", "message", "frame", "resolved_by")
    fields = dict.fromkeys(texts, mark) | {"first_code": mark[-64:], "last_code": mark[-64:], "resolved_code": mark}
    fingerprint = failing.fingerprint(mark, "", mark)
    return issue(environment, fingerprint=fingerprint, state="snoozed", **fields)
