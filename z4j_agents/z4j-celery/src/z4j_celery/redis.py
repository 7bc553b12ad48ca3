"""Queues that are lists in Redis: one for each priority, each message a JSON envelope around the body.

Everything goes through the connection that Celery's own library makes: this package needs no client of its own. Private
names of that library's channel are the layout of its keys, which it gives no other way to know.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from z4j_core.safety import guard
from z4j_core.wire import QueueFacts

from z4j_celery.facts import micros

#: Messages in hand are looked at one by one to tell their queues apart: if they are no more than these.
MOST_IN_HAND: Final = 500
#: Messages that are looked through for one to move, and read at once.
MOST_SCANNED: Final = 10_000
_CHUNK: Final = 200
#: Out of one list and into another, unless a worker was faster. Both happen or neither does.
_MOVE: Final = """
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'list' then return -1 end
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then return redis.call('LPUSH', KEYS[2], ARGV[2]) end
return 0
"""
#: Of all that waits in a list: it fails, and changes nothing, where Redis keeps something else.
_EMPTY: Final = ("LTRIM", 1, 0)


class NotAQueue(Exception):
    """Redis keeps something else under that name. Nothing was changed."""


class RedisQueues:
    """Of one open connection of kombu's."""

    def __init__(self, connection: Any) -> None:
        self.channel = connection.default_channel
        self.client = self.channel.client
        self._in_hand: tuple[Counter[str], Counter[str]] | None = None
        self._looked = False
        self._routes: dict[tuple[str, str], list[str]] = {}

    def measure(self, queue: str) -> QueueFacts | None:
        depth = sum(int(self._call("LLEN", key)) for key in self._keys(queue))
        facts = QueueFacts(name=queue, depth=depth, exact=True)
        if not self._looked:
            self._looked, self._in_hand = True, self._taken()
        if self._in_hand is not None:
            facts["in_flight"], facts["delayed"] = (count[queue] for count in self._in_hand)
        return facts

    def waiting(self, queue: str, limit: int) -> list[Any]:
        """Messages as a worker would get them: by priority, the oldest first."""
        found: list[Any] = []
        for key in self._keys(queue):
            if len(found) < limit:
                raw = self._call("LRANGE", key, len(found) - limit, -1)
                found += [self._message(one) for one in reversed(raw)]
        return found

    def purge(self, queue: str, most: int) -> tuple[int, list[Any]]:
        """How many went, and the first of them. -1: it is no queue."""
        count, messages = 0, list[Any]()
        if not {self._kind(key) for key in self._keys(queue)} <= {"none", "list"}:
            return -1, []
        for key in self._keys(queue):
            with self.client.pipeline() as pipe:  # what is read is what is deleted
                for command, *rest in (("LLEN",), ("LRANGE", len(messages) - most, -1), _EMPTY):
                    pipe.execute_command(command, self._key(command, key), *rest)
                size, raw, _ = pipe.execute()
            count += int(size)
            if len(messages) < most:
                messages += [self._message(one) for one in reversed(raw)]
        return count, messages

    def move(self, queue: str, task_id: str, destination: str) -> Any | None:
        """The message, as it waits in `destination` now. None: it does not wait in `queue`. Raises NotAQueue."""
        for key in self._keys(queue):
            for raw in self._scan(key):
                if task_id.encode() in raw and (envelope := json.loads(raw))["headers"].get("id") == task_id:
                    where = {"exchange": "", "routing_key": destination}
                    envelope["properties"]["delivery_info"] = {**envelope["properties"]["delivery_info"], **where}
                    priority = self.channel._get_message_priority(envelope, reverse=False)
                    into = self.channel._q_for_pri(destination, priority)
                    keys = [self._key("EVAL", name) for name in (key, into)]
                    moved = self.client.execute_command("EVAL", _MOVE, 2, *keys, raw, json.dumps(envelope))
                    if moved == -1:
                        raise NotAQueue(destination)
                    return self.channel.message_to_python(envelope) if moved else None
        return None

    def _scan(self, key: str) -> Iterator[bytes]:
        """The oldest are at the end of the list, and leave while we look."""
        for end in range(0, MOST_SCANNED, _CHUNK):
            raw = self._call("LRANGE", key, -end - _CHUNK, -end - 1)
            yield from reversed(raw)
            if len(raw) < _CHUNK:
                return

    def held(self, task_ids: set[str]) -> list[Any]:
        """Those messages among what workers hold, be they alive or not: one that is gone gives them back by and by."""
        found: list[Any] = []
        for envelope, _, _ in itertools.islice(self._unacked(), MOST_SCANNED):
            with guard("celery.unacked"):
                if envelope["headers"].get("id") in task_ids:
                    found.append(self.channel.message_to_python(envelope))
        return found

    def _taken(self) -> tuple[Counter[str], Counter[str]] | None:
        """Messages that workers hold, by queue: those that may run, and those that wait for their time in a worker."""
        if int(self._call("HLEN", self.channel.unacked_key)) > MOST_IN_HAND:
            return None
        running, waiting, now = Counter[str](), Counter[str](), time.time_ns() // 1000
        for envelope, exchange, routing_key in self._unacked():
            with guard("celery.unacked"):
                later = (micros(envelope["headers"].get("eta")) or 0) > now
                for queue in self._queues_of(exchange, routing_key):
                    (waiting if later else running)[queue] += 1
        return running, waiting

    def _unacked(self) -> Iterator[tuple[dict[str, Any], str, str]]:
        """Envelope, exchange and routing key of each, a few at a time."""
        cursor = 0
        while True:
            cursor, entries = self._call("HSCAN", self.channel.unacked_key, cursor, "COUNT", 50)
            yield from map(json.loads, entries.values())
            if not int(cursor):
                return

    def _queues_of(self, exchange: str, routing_key: str) -> list[str]:
        if (exchange, routing_key) not in self._routes:
            self._routes[exchange, routing_key] = list(self.channel._lookup(exchange, routing_key))
        return self._routes[exchange, routing_key]

    def _message(self, raw: bytes) -> Any:
        return self.channel.message_to_python(json.loads(raw))

    def _keys(self, queue: str) -> list[str]:
        return [self.channel._q_for_pri(queue, step) for step in self.channel.priority_steps]

    def _kind(self, key: str) -> str:
        kind = self._call("TYPE", key)
        return kind.decode() if isinstance(kind, bytes) else str(kind)

    def _call(self, command: str, key: str, *rest: Any) -> Any:
        return self.client.execute_command(command, self._key(command, key), *rest)

    def _key(self, command: str, key: str) -> str:
        """With a global prefix, kombu's client adds it to the keys of the commands it uses itself, and of no others."""
        knows = (getattr(self.client, f"PREFIXED_{kind}_COMMANDS", ()) for kind in ("SIMPLE", "COMPLEX"))
        prefixed = any(command in commands for commands in knows)
        return key if prefixed else getattr(self.client, "global_keyprefix", "") + key
