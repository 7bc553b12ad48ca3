"""Where a broker keeps the messages: how they are counted, looked for and taken out.

Redis has `<namespace>:<queue>` (a list of ids), `<queue>.msgs` (their messages, those in hand too), and the same of
`<queue>.DQ` (delayed) and `<queue>.XQ` (dead letters, a sorted set). RabbitMQ has three queues of these names, and to
read a message there is to take it: what is not wanted goes back to its place, marked as redelivered.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from dramatiq.common import dq_name, q_name, xq_name
from dramatiq.message import Message
from z4j_core import once
from z4j_core.engine import Target
from z4j_core.wire import QueueFacts

from z4j_dramatiq.facts import decoded

#: How many messages of one queue are looked through for an id, and how many Redis is asked for at once.
DEEP: Final = 20_000
AT_ONCE: Final = 500


class TooDeepError(Exception):
    """There are more messages than anybody looks through: what was not found may be there."""


class Store(Protocol):
    """Names are Dramatiq's: a queue's own, `dq_name` of it and `xq_name` of it."""

    def measure(self, queue: str) -> QueueFacts: ...

    def send(self, message: Message[Any]) -> None: ...

    def send_once(self, target: Target, message: Message[Any]) -> None:
        """Not again, as far as the broker lets one tell, what has been sent for this target before."""

    def has_sent(self, target: Target) -> bool | None:
        """Whether it has; None: the broker keeps no trace of that."""

    def find(self, name: str, task_id: str) -> Message[Any] | None:
        """A message that waits there, and goes on to."""

    def hand_on(self, name: str, task_id: str, send: Callable[[Message[Any]], object]) -> bool:
        """Take one message out of where it waits, and `send` it. It stays where it is when that raises. False: it does
        not wait there, or somebody was faster.
        """

    def drain(self, name: str) -> Iterator[Message[Any]]:
        """Each message that waits there, which is gone then."""


class InRedis:
    def __init__(self, broker: Any) -> None:
        self._broker, self._redis, self._namespace = broker, broker.client, broker.namespace

    def measure(self, queue: str) -> QueueFacts:
        depth, kept = self._redis.llen(self._key(queue)), self._redis.hlen(self._key(f"{queue}.msgs"))
        facts = QueueFacts(
            name=queue,
            depth=depth,
            delayed=self._redis.hlen(self._key(f"{dq_name(queue)}.msgs")),
            in_flight=max(kept - depth, 0),
            dead=self._redis.zcard(self._key(xq_name(queue))),
            exact=True,
        )
        for _, message in itertools.islice(self.waiting(queue, 1), 1):
            facts["oldest"] = message.message_timestamp * 1000
        return facts

    def send(self, message: Message[Any]) -> None:
        self._broker.enqueue(message)

    def send_once(self, target: Target, message: Message[Any]) -> None:
        """As Dramatiq does it, but in one step with its mark."""
        rid = str(uuid.uuid4())
        message = message.copy(options={"redis_message_id": rid})
        key = self._key(message.queue_name)
        self._broker.emit_before("enqueue", message, None)
        commands = (("HSET", f"{key}.msgs", rid, message.encode()), ("RPUSH", key, rid))
        self._redis.eval(*once.script(target, *commands))
        self._broker.emit_after("enqueue", message, None)

    def has_sent(self, target: Target) -> bool | None:
        return bool(self._redis.exists(once.mark(target)))

    def find(self, name: str, task_id: str) -> Message[Any] | None:
        return next((message for _, message in self.waiting(name) if message.message_id == task_id), None)

    def hand_on(self, name: str, task_id: str, send: Callable[[Message[Any]], object]) -> bool:
        for rid, message in self.waiting(name):
            if message.message_id == task_id and self._take(name, rid):
                try:
                    send(message)
                except BaseException:
                    self._put_back(name, rid)
                    raise
                self._forget(name, rid)
                return True
        return False

    def drain(self, name: str) -> Iterator[Message[Any]]:
        while ids := self._redis.lrange(self._key(name), 0, AT_ONCE - 1):
            for rid in ids:
                if self._take(name, rid):
                    blob = self._redis.hget(self._key(f"{name}.msgs"), rid)
                    self._forget(name, rid)
                    message = decoded(blob) if blob else None
                    if message is not None:
                        yield message

    def waiting(self, name: str, limit: int = DEEP) -> Iterator[tuple[str, Message[Any]]]:
        """Messages there that nobody has in hand, each with the id that Redis knows it by: the oldest, but of dead
        letters the newest.
        """
        key = self._key(name)
        ids = self._redis.zrevrange(key, 0, limit - 1) if _is_dead(name) else self._redis.lrange(key, 0, limit - 1)
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            for rid, blob in zip(some, self._redis.hmget(self._key(f"{name}.msgs"), some), strict=True):
                message = decoded(blob) if blob else None
                if message is not None:
                    yield rid.decode(), message

    def kept(self, name: str) -> Iterator[Message[Any]]:
        """All messages there, in no order: those too that a worker holds, or held when it died."""
        for number, (_, blob) in enumerate(self._redis.hscan_iter(self._key(f"{name}.msgs"), count=AT_ONCE)):
            if number >= DEEP:
                raise TooDeepError
            message = decoded(blob)
            if message is not None:
                yield message

    def _key(self, name: str) -> str:
        return f"{self._namespace}:{name}"

    def _take(self, name: str, rid: str) -> bool:
        """Out of the list, not yet out of the store: a worker that was faster has it."""
        key = self._key(name)
        return bool(self._redis.zrem(key, rid) if _is_dead(name) else self._redis.lrem(key, 1, rid))

    def _put_back(self, name: str, rid: str) -> None:
        if _is_dead(name):
            self._redis.zadd(self._key(name), {rid: round(time.time() * 1000)})
        else:
            self._redis.lpush(self._key(name), rid)

    def _forget(self, name: str, rid: str) -> None:
        self._redis.hdel(self._key(f"{name}.msgs"), rid)


class InRabbit:
    """Everything here runs in the agent's thread, over a connection of its own that is closed again, since nobody would
    answer the server's heartbeats on it.
    """

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    def measure(self, queue: str) -> QueueFacts:
        with self._connected():
            depth, delayed, dead = self._broker.get_queue_message_counts(queue)
        return QueueFacts(name=queue, depth=depth, delayed=delayed, dead=dead, exact=False)

    def send(self, message: Message[Any]) -> None:
        with self._connected():
            self._broker.enqueue(message)
            self._arrived(message)

    def send_once(self, target: Target, message: Message[Any]) -> None:
        self.send(message)

    def has_sent(self, target: Target) -> bool | None:
        return None

    def find(self, name: str, task_id: str) -> Message[Any] | None:
        with self._connected() as channel:
            taken = (message for _, message in self._taken(channel, name))
            return next((message for message in taken if message is not None and message.message_id == task_id), None)

    def hand_on(self, name: str, task_id: str, send: Callable[[Message[Any]], object]) -> bool:
        with self._connected() as channel:
            for method, message in self._taken(channel, name):
                if message is not None and message.message_id == task_id:
                    send(message)
                    self._arrived(message)
                    channel.basic_ack(method.delivery_tag)
                    return True
        return False

    def drain(self, name: str) -> Iterator[Message[Any]]:
        with self._connected() as channel:
            for method, message in self._taken(channel, name, most=None):
                channel.basic_ack(method.delivery_tag)
                if message is not None:
                    yield message

    def _arrived(self, message: Message[Any]) -> None:
        """A question on the channel that a message was sent through is answered when the message is there."""
        self._broker.get_queue_message_counts(q_name(message.queue_name))

    def _taken(self, channel: Any, name: str, most: int | None = DEEP) -> Iterator[tuple[Any, Message[Any] | None]]:
        """Message after message; what is not acknowledged goes back when the channel closes."""
        for _ in itertools.count() if most is None else range(most):
            method, _, body = channel.basic_get(name)
            if method is None:
                return
            yield method, decoded(body)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            yield self._broker.connection.channel()
        finally:
            del self._broker.connection


def store_of(broker: Any) -> Store | None:
    """None for a broker that is neither of the two."""
    if hasattr(broker, "namespace"):
        return InRedis(broker)
    return InRabbit(broker) if hasattr(broker, "get_queue_message_counts") else None


def _is_dead(name: str) -> bool:
    return name != q_name(name) and name == xq_name(q_name(name))
