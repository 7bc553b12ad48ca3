"""Queues of RabbitMQ. It counts without touching anything, but shows a message only to whoever takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kombu.messaging import Producer
from z4j_core.wire import QueueFacts

from z4j_celery import originals

#: Messages that are looked through for one to move. All of them are out of the queue meanwhile.
MOST_SCANNED: Final = 1000
#: A quorum queue counts how often a message came back, and may give it up for that: nobody should look into one.
_COUNTED: Final = ("x-delivery-count", "x-acquired-count")


class AmqpQueues:
    """Of one open connection of kombu's. Each look has a channel of its own: closing it gives back what it took."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def measure(self, queue: str) -> QueueFacts | None:
        with self._channel() as channel:
            told = self._declared(channel, queue)
            if told is None:
                return None
            return QueueFacts(name=queue, depth=told.message_count, consumers=told.consumer_count, exact=True)

    def waiting(self, queue: str, limit: int) -> list[Any]:
        """The oldest first. Nothing where somebody consumes: what we hold, even for a moment, is kept from them."""
        with self._channel() as channel:
            told = self._declared(channel, queue)
            if told is None or not told.message_count or told.consumer_count:
                return []
            found: list[Any] = []
            for message in self._take(channel, queue, limit):
                found.append(message)
                if is_counted(message):
                    break
            return found

    def purge(self, queue: str, most: int) -> tuple[int, list[Any]]:
        """How many went, and the first of them. -1: there is no such queue."""
        with self._channel() as channel:
            if self._declared(channel, queue) is None:
                return -1, []
            messages = list(self._take(channel, queue, most, no_ack=True))
            return len(messages) + int(channel.queue_purge(queue) or 0), messages

    def move(self, queue: str, task_id: str, destination: str) -> Any | None:
        """The message, as it waits in `destination` now. None: it does not wait in `queue`, or there is no such one."""
        with self._channel() as channel:
            if self._declared(channel, queue) is None or self._declared(channel, destination) is None:
                return None
            for message in self._take(channel, queue, MOST_SCANNED):
                if message.headers.get("id") == task_id:
                    packed = originals.pack(message, message.body, message.headers)
                    producer = Producer(channel)  # type: ignore[no-untyped-call]
                    originals.send(producer, originals.redirect(originals.unpack(packed), destination))
                    message.ack()
                    return message
        return None

    def _take(self, channel: Any, queue: str, limit: int, no_ack: bool = False) -> Iterator[Any]:
        for _ in range(limit):
            raw = channel.basic_get(queue, no_ack=no_ack)
            if raw is None:
                return
            yield channel.message_to_python(raw)

    def _declared(self, channel: Any, queue: str) -> Any | None:
        try:
            return channel.queue_declare(queue, passive=True)
        except self.connection.channel_errors:
            return None

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        channel = self.connection.channel()
        try:
            yield channel
        finally:
            channel.close()


def is_counted(message: Any) -> bool:
    return any(name in message.headers for name in _COUNTED)
