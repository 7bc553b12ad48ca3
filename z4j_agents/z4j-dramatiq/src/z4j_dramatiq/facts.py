"""What Dramatiq knows of a message, as parts of an event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import dramatiq
from dramatiq.common import q_name
from dramatiq.message import Message
from z4j_core import traceparent
from z4j_core.safety import guard

ENGINE: Final = "dramatiq"
#: Options that belong to one journey of a message: one that is sent again starts without them.
OF_A_JOURNEY: Final = ("traceback", "retries", "eta", "requeue_timestamp", "redis_message_id", "throws")
#: Our option on a dead letter that was put back: the attempts it had before, since Dramatiq counts from 0 again.
BEFORE: Final = "z4j_attempts"


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def queue_of(message: Any) -> str:
    """The queue it was sent to; while it waits for its time it is in another one of ours to hide."""
    return str(q_name(message.queue_name))


def identity(broker: dramatiq.Broker, message: Any) -> dict[str, Any]:
    options = message.options
    most = options.get("max_retries", _actor_option(broker, message, "max_retries"))
    age = options.get("max_age", _actor_option(broker, message, "max_age"))
    before = int(options.get(BEFORE) or 0)
    facts = {
        "engine": ENGINE,
        "task_id": message.message_id,
        "name": message.actor_name,
        "queue": queue_of(message),
        "attempt": before + int(options.get("retries") or 0),
        "max_attempts": before + most + 1 if isinstance(most, int) else None,
        "priority": _actor_option(broker, message, "priority"),
        "expires": (message.message_timestamp + age) * 1000 if isinstance(age, int) else None,
        "group_id": options.get("group_completion_uuid"),
        "trace_id": traceparent.trace_id(options.get(traceparent.NAME)),
    }
    return without_nothing(facts)


def without_nothing(event: Mapping[str, Any]) -> dict[str, Any]:
    """What Dramatiq says nothing about is left out."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


def eta_of(message: Any) -> int | None:
    eta = message.options.get("eta")
    return int(eta) * 1000 if isinstance(eta, int) else None


def renewed(message: Message[Any], **attributes: Any) -> Message[Any]:
    """The message as it was before its journey."""
    options = {name: value for name, value in message.options.items() if name not in OF_A_JOURNEY}
    return replace(message, options=options, **attributes)


def decoded(blob: bytes) -> Message[Any] | None:
    """None for what Dramatiq itself could not read."""
    with guard("dramatiq.decode"):
        return Message.decode(blob)
    return None


def actor_of(broker: dramatiq.Broker, message: Any) -> Any:
    return broker.actors.get(message.actor_name)


def _actor_option(broker: dramatiq.Broker, message: Any, name: str) -> Any:
    actor = actor_of(broker, message)
    if actor is None:
        return None
    return actor.priority if name == "priority" else actor.options.get(name)
