"""Handing a message to the broker. Over Redis with its mark, in one step: never twice, however often it is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kombu.messaging import Producer
from kombu.utils.json import dumps
from z4j_core import once
from z4j_core.engine import Target

from z4j_celery.lookup import Lookup

#: For brokers to which a message is published as users publish theirs.
_POLICY: Final = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}

Publish = Callable[..., object]


class OnceInRedis:
    """A channel of our own, of one open connection of kombu's, that does not put messages into lists but collects what
    would have put them there. Private names of that channel are the layout of its keys.
    """

    def __init__(self, connection: Any) -> None:
        self._channel = channel = connection.channel()
        self._client = channel.client
        self._prefix = getattr(self._client, "global_keyprefix", "")
        self._commands: list[tuple[once.Word, ...]] = []
        channel._put = self._put
        self._producer = Producer(channel)  # type: ignore[no-untyped-call]

    def send(self, target: Target, publish: Publish) -> None:
        """`publish` is called with a producer, and options for its `publish`. Raises what the broker raises."""
        self._commands.clear()
        publish(self._producer, retry=False)
        if not self._commands:
            raise LookupError("no queue is bound for this message")
        self._client.execute_command("EVAL", *self._prefixed(once.script(target, *self._commands)))

    def has_sent(self, target: Target) -> bool:
        return bool(self._client.execute_command("EXISTS", self._prefix + once.mark(target)))

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        channel = self._channel
        priority = channel._get_message_priority(message, reverse=False)
        self._commands.append(("LPUSH", self._prefix + channel._q_for_pri(queue, priority), _packed(message)))
        if life := (getattr(channel, "_expires", None) or {}).get(queue):
            keys = (self._prefix + channel._q_for_pri(queue, step) for step in channel.priority_steps)
            self._commands += [("PEXPIRE", key, life) for key in keys]

    def _prefixed(self, words: list[once.Word]) -> list[once.Word]:
        """kombu's client adds a global prefix to no key of a script."""
        program, keys, mark, *rest = words
        return [program, keys, f"{self._prefix}{mark!s}", *rest]


def _packed(message: Any) -> str:
    return str(dumps(message))  # type: ignore[no-untyped-call]


class Sending(Lookup):
    _opened: OnceInRedis | None = None

    @contextmanager
    def session(self) -> Iterator[None]:
        """One connection for all targets of a command."""
        if self.driver() != "redis" or self._opened is not None:
            yield
            return
        with self.connection() as connection:
            self._opened = OnceInRedis(connection)
            try:
                yield
            finally:
                self._opened = None

    def landed(self, target: Target) -> bool | None:
        """A worker here received it, or somebody worked on it. In Redis its mark says so, or that it was never sent."""
        assert self.host is not None
        task_id = target.new_task_id()
        if self.host.original(task_id) is not None or self.is_known(task_id):
            return True
        if self.driver() != "redis":
            return None
        with self.session():
            return self._opened.has_sent(target) if self._opened is not None else None

    def hand_over(self, target: Target, publish: Publish) -> None:
        """`publish` is called with a producer, and options for its `publish`. Raises what the broker raises."""
        with self.session():
            if self._opened is not None:
                self._opened.send(target, publish)
                return
        with self.app.producer_pool.acquire(block=True, timeout=5) as producer:
            publish(producer, retry=True, retry_policy=_POLICY)
