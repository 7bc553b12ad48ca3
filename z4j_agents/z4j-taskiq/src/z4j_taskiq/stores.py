"""The messages that wait in Redis, for the brokers of taskiq-redis that keep them in a list or in a stream.

They are reached over the broker's own pool of connections, with the client that the broker's own module uses: no
client library is imported here. Everything runs in the loop of the worker.
"""

from __future__ import annotations

import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from taskiq import AsyncBroker, TaskiqMessage
from z4j_core import once
from z4j_core.engine import Target
from z4j_core.wire import QueueFacts

from z4j_taskiq.facts import without_nothing

#: Messages read at once.
CHUNK: Final = 500
#: How far into a queue a message is looked for, and counted where Redis does not say how many there are.
DEEP: Final = 20_000
_LIBRARY: Final = "taskiq_redis"
#: Out of one list and into another, unless a worker was faster. Both happen or neither does.
_MOVE: Final = """
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'list' then return 0 end
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
return redis.call('LPUSH', KEYS[2], ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits. `place`: where in its queue; `at`: when it was sent, where that is known."""

    message: TaskiqMessage
    raw: bytes
    queue: str
    place: Any = None
    at: int | None = None


class Store(ABC):
    #: What Redis calls a key that is such a queue.
    kind: ClassVar[str]

    def __init__(self, broker: AsyncBroker) -> None:
        self.broker = broker

    @abstractmethod
    async def measured(self, queue: str) -> QueueFacts:
        """How much waits there."""

    @abstractmethod
    def entries(self, queue: str) -> AsyncIterator[tuple[Any, bytes]]:
        """The place and the content of each message that waits, oldest first."""

    @abstractmethod
    async def take(self, waiting: Waiting) -> bool:
        """Take it out for good. False: a worker was faster."""

    @abstractmethod
    async def move(self, waiting: Waiting, name: str, raw: bytes) -> bool:
        """Take it out and put `raw` into the queue `name`. False: it could not be taken, and nothing was put there."""

    @abstractmethod
    def emptied(self, queue: str) -> AsyncIterator[bytes]:
        """Throw away what waits, and tell what that was."""

    @abstractmethod
    def entering(self, queue: str, raw: bytes) -> tuple[once.Word, ...]:
        """The command of Redis with which the broker's library puts a message into a queue."""

    async def send_once(self, target: Target, queue: str, raw: bytes) -> None:
        """As the library does it, but in one step with its mark."""
        async with self.client() as client:
            await client.eval(*once.script(target, self.entering(queue, raw)))

    async def has_sent(self, target: Target) -> bool:
        async with self.client() as client:
            return bool(await client.exists(once.mark(target)))

    def sends_as_its_library(self) -> bool:
        """Whether what a message enters the queue by is the library's own, and no subclass's of the user's."""
        owner = next(kind for kind in type(self.broker).__mro__ if "kick" in vars(kind))
        return _is_library(owner)

    async def waiting(self, queue: str, limit: int = DEEP) -> AsyncIterator[Waiting]:
        """Oldest first. What taskiq cannot read is left out."""
        seen = 0
        async for place, raw in self.entries(queue):
            seen += 1
            if (found := self.opened(queue, raw, place)) is not None:
                yield found
            if seen >= limit:
                return

    async def found(self, queue: str, task_id: str) -> Waiting | None:
        async for waiting in self.waiting(queue):
            if waiting.message.task_id == task_id:
                return waiting
        return None

    def opened(self, queue: str, raw: bytes, place: Any = None) -> Waiting | None:
        try:
            message = self.broker.formatter.loads(raw)
            message.parse_labels()
        except Exception:
            return None
        return Waiting(message, raw, queue, place, self.sent_at(place))

    def sent_at(self, place: Any) -> int | None:
        return None

    async def kind_of(self, queue: str) -> str:
        """What Redis keeps under that name: "none" is nothing."""
        async with self.client() as client:
            return _text(await client.type(queue))

    def client(self) -> Any:
        module = next(sys.modules[kind.__module__] for kind in type(self.broker).__mro__ if _is_library(kind))
        return module.Redis(connection_pool=self.broker.connection_pool)  # type: ignore[attr-defined]


class ListStore(Store):
    """Messages enter at the left and leave at the right."""

    kind = "list"

    def entering(self, queue: str, raw: bytes) -> tuple[once.Word, ...]:
        return ("LPUSH", queue, raw)

    async def measured(self, queue: str) -> QueueFacts:
        async with self.client() as client:
            return {"name": queue, "depth": int(await client.llen(queue)), "exact": True}

    async def entries(self, queue: str) -> AsyncIterator[tuple[Any, bytes]]:
        async with self.client() as client:
            last = -1
            while chunk := await client.lrange(queue, last - CHUNK + 1, last):
                for raw in reversed(chunk):
                    yield None, raw
                last -= CHUNK

    async def take(self, waiting: Waiting) -> bool:
        async with self.client() as client:
            return bool(await client.lrem(waiting.queue, -1, waiting.raw))

    async def move(self, waiting: Waiting, name: str, raw: bytes) -> bool:
        async with self.client() as client:
            return bool(await client.eval(_MOVE, 2, waiting.queue, name, waiting.raw, raw))

    async def emptied(self, queue: str) -> AsyncIterator[bytes]:
        """Under another name first: nothing that comes in meanwhile is lost, and nothing thrown away is missed."""
        aside = f"{queue}:z4j:{uuid.uuid4()}"
        async with self.client() as client:
            if await self.kind_of(queue) != self.kind:
                return
            await client.rename(queue, aside)
            try:
                async for _, raw in self.entries(aside):
                    yield raw
            finally:
                await client.unlink(aside)

    async def give_back(self, queue: str, raw: bytes) -> None:
        """Where it was taken from: it is the next."""
        async with self.client() as client:
            await client.rpush(queue, raw)


class StreamStore(Store):
    """What waits is what lies behind the last message that the broker's group was given. Streams keep what is done."""

    kind = "stream"
    broker: Any

    def entering(self, queue: str, raw: bytes) -> tuple[once.Word, ...]:
        limit = () if self.broker.maxlen is None else ("MAXLEN", *(("~",) if self.broker.approximate else ()))
        return ("XADD", queue, *limit, *((self.broker.maxlen,) if limit else ()), "*", "data", raw)

    async def measured(self, queue: str) -> QueueFacts:
        async with self.client() as client:
            if not await client.exists(queue):
                return {"name": queue, "depth": 0, "exact": True}
            group = await self._group(client, queue)
            depth, exact = (group or {}).get("lag"), True
            first = None
            async for place, _ in self.entries(queue):
                first = self.sent_at(place)
                break
            if depth is None:  # entries were deleted, or this server does not count
                depth = 0
                async for _ in self.entries(queue):
                    depth += 1
                    exact = depth < DEEP
                    if not exact:
                        break
            facts = {"name": queue, "depth": depth, "exact": exact, "oldest": first}
            return without_nothing({**facts, "in_flight": (group or {}).get("pending")})  # type: ignore[return-value]

    async def entries(self, queue: str) -> AsyncIterator[tuple[Any, bytes]]:
        async with self.client() as client:
            if not await client.exists(queue):
                return
            group = await self._group(client, queue)
            last = _text(group["last-delivered-id"]) if group else "0-0"
            while chunk := await client.xrange(queue, f"({last}", "+", count=CHUNK):
                for place, fields in chunk:
                    last = _text(place)
                    yield place, fields.get(b"data", b"")

    async def take(self, waiting: Waiting) -> bool:
        """Refused where another group reads the same stream: a message that is deleted is gone for all of them."""
        async with self.client() as client:
            groups = await client.xinfo_groups(waiting.queue)
            if len(groups) > 1 or not await client.xdel(waiting.queue, waiting.place):
                return False
            group = await self._group(client, waiting.queue)
            return group is None or _order(group["last-delivered-id"]) < _order(waiting.place)

    async def move(self, waiting: Waiting, name: str, raw: bytes) -> bool:
        """In there first, and out of here then: what goes wrong in between leaves it twice, and never lost."""
        limit = {"maxlen": self.broker.maxlen, "approximate": self.broker.approximate}
        async with self.client() as client:
            place = await client.xadd(name, {b"data": raw}, **limit)
            if taken := await self.take(waiting):
                return taken
            await client.xdel(name, place)
            return False

    async def emptied(self, queue: str) -> AsyncIterator[bytes]:
        """The group is moved behind what waits; other groups, and what was taken already, are not touched."""
        async with self.client() as client:
            last = None
            async for place, raw in self.entries(queue):
                last = place
                yield raw
            if last is None:
                return
            known = await self._group(client, queue) is not None
            move = client.xgroup_setid if known else client.xgroup_create
            await move(queue, self.broker.consumer_group_name, id=_text(last))

    async def _group(self, client: Any, queue: str) -> dict[str, Any] | None:
        groups = await client.xinfo_groups(queue)
        return next((one for one in groups if _text(one["name"]) == self.broker.consumer_group_name), None)

    def sent_at(self, place: Any) -> int | None:
        return _order(place)[0] * 1000 if place is not None else None


def store_of(broker: AsyncBroker) -> Store | None:
    """None for brokers whose waiting messages cannot be seen from here."""
    kinds = {kind.__name__ for kind in type(broker).__mro__ if _is_library(kind)}
    if not hasattr(broker, "connection_pool"):
        return None
    if "ListQueueBroker" in kinds:
        return ListStore(broker)
    return StreamStore(broker) if "RedisStreamBroker" in kinds else None


def _is_library(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _LIBRARY


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _order(place: Any) -> tuple[int, int]:
    """Of an entry of a stream: milliseconds, and a number among those of the same one."""
    at, _, number = _text(place).partition("-")
    return int(at), int(number or 0)
