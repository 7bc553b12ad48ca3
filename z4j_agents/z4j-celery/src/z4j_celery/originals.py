"""The original message of a task: packed when it is received, published again when somebody asks for a retry.

The body is never decoded here. What a chain, a callback or a chord needs is inside it and stays as it was.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from celery.utils.saferepr import saferepr

from z4j_celery.facts import RETRY_OF, micros, now

#: Bytes of a body past which no original is kept.
LARGEST: Final = 256 * 1024
#: Set anew for a retry, or true of the first journey only. A received body is already decompressed.
_OWN_HEADERS: Final = ("compression", "x-death", "x-delivery-count", "x-acquired-count", "redelivered")
_PROPERTIES: Final = ("priority", "reply_to", "delivery_mode", "app_id", "type", "user_id")


def pack(message: Any, body: Any, facts: Mapping[str, Any]) -> bytes:
    """Everything it takes to publish the message again."""
    info = message.delivery_info or {}
    properties = message.properties or {}
    return dump(
        {
            "body": body if isinstance(body, bytes) else str(body).encode(),
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
            "headers": message.headers,
            "properties": {name: properties[name] for name in _PROPERTIES if properties.get(name) is not None},
            "exchange": info.get("exchange") or "",
            "routing_key": info.get("routing_key") or "",
            "at": now(),
            "task_id": facts.get("id", ""),
        }
    )


def dump(packed: Mapping[str, Any]) -> bytes:
    return _JSON.encode(packed).encode()


def unpack(blob: bytes) -> dict[str, Any]:
    return dict(json.loads(blob, object_hook=_decode))


def renew(packed: dict[str, Any], task_id: str) -> dict[str, Any]:
    """The same message under a new id: its first attempt, due now.

    A message that expires gets the time it had left when it was received, from now.
    """
    headers = _headers(packed)
    headers |= {"id": task_id, "retries": 0, "eta": None, RETRY_OF: packed["headers"]["id"]}
    left = max(0, (micros(headers.get("expires")) or 0) - packed["at"])
    if left:
        headers["expires"] = (datetime.now(UTC) + timedelta(microseconds=left)).isoformat()
    # As Celery does: the broker may drop the message when its time has passed.
    properties = packed["properties"] | ({"expiration": left / 1_000_000} if left else {})
    return {**packed, "headers": headers, "properties": properties, "at": now(), "task_id": task_id}


def exchange(packed: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The same message with other arguments, and whether all that hangs on the task (the rest of a chain, callbacks)
    came along: that is in the body, which nobody but its own serializer should open, and JSON is the one that is safe.
    """
    readable = packed["content_type"] == "application/json"
    rest = json.loads(packed["body"])[2] if readable else {}
    body = json.dumps([args, kwargs, rest]).encode()
    # As Celery does when it sends; whoever looks at the workers sees the new ones.
    headers = packed["headers"] | {"argsrepr": saferepr(args), "kwargsrepr": saferepr(kwargs)}
    kind = {"content_type": "application/json", "content_encoding": "utf-8"}
    return {**packed, **kind, "body": body, "headers": headers}, readable


def redirect(packed: dict[str, Any], queue: str) -> dict[str, Any]:
    """The same message, its id too, on its way to one queue."""
    headers = _headers(packed)
    return {**packed, "headers": headers, "exchange": "", "routing_key": queue, "task_id": headers["id"]}


def send(producer: Any, packed: Mapping[str, Any], **how: Any) -> None:
    producer.publish(
        packed["body"],
        content_type=packed["content_type"],
        content_encoding=packed["content_encoding"],
        headers=packed["headers"],
        exchange=packed["exchange"],
        routing_key=packed["routing_key"],
        correlation_id=packed["task_id"],
        **how,
        **packed["properties"],
    )


def _headers(packed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in packed["headers"].items() if name not in _OWN_HEADERS}


def _encode(value: object) -> dict[str, str]:
    """What a broker's headers may hold beyond JSON (AMQP has bytes, times and decimals)."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    raise TypeError(f"A header of type {type(value).__name__} cannot be kept.")


#: Made once: it is asked for every task that is received. What came off a broker goes round in no circle.
_JSON: Final = json.JSONEncoder(default=_encode, check_circular=False)


def _decode(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((kind, text),) = value.items()
        if kind == "$bytes":
            return base64.b64decode(text)
        if kind == "$time":
            return datetime.fromisoformat(text)
        if kind == "$decimal":
            return Decimal(text)
    return value
