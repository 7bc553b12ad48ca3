"""A pause of one consumer of Dramatiq that takes effect soon and costs nobody a second run.

Dramatiq has a pause, and two traps. A consumer that is paused goes on as long as messages come without a gap, which
over RabbitMQ may be for ever. And it closes then, upon which RabbitMQ hands out again what has not been acknowledged:
a message that runs while its queue is paused would run a second time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from z4j_core.safety import guard

#: Seconds in which a consumer notices: it waits for a message for one.
NOTICES: Final = 3.0
_NOTHING: Final = (None, None, None)


def pause(threads: Iterable[Any]) -> None:
    """These take nothing more. What they have handed out is run."""
    held = [_Hold(thread) for thread in threads if not thread.paused]
    for hold in held:
        hold.begin()
    for hold in held:
        hold.left.wait(NOTICES)


def resume(thread: Any) -> None:
    thread.resume()
    release(thread)


def release(thread: Any) -> None:
    """As Dramatiq made it."""
    vars(thread).pop("close", None)


class _Hold:
    """Of one consumer thread: in place of its `close`, and of what its consumer iterates over in RabbitMQ."""

    def __init__(self, thread: Any) -> None:
        self.left = threading.Event()
        self._thread = thread
        self._consumer = thread.consumer
        self._close: Callable[[], None] = thread.close
        self._messages: Any = getattr(thread.consumer, "iterator", None)

    def begin(self) -> None:
        self._thread.close = self.close
        self._thread.pause()
        if self._messages is not None:
            self._consumer.iterator = self

    def __next__(self) -> Any:
        return _NOTHING if self._thread.paused else next(self._messages)

    def close(self) -> None:
        """In the consumer's thread, which has left its loop: first let the others acknowledge."""
        self.left.set()
        with guard("dramatiq.pause"):
            consumer = self._thread.consumer
            while self._thread.running and getattr(consumer, "known_tags", None) and consumer.connection.is_open:
                consumer.connection.sleep(0.1)
        self._close()
