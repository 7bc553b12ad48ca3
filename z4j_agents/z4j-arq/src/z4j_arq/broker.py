"""The agent's own way to the user's Redis: it works while a job that blocks has frozen the worker's loop.

Each question opens a connection in a loop of the thread that asks, and leaves neither behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import abort_jobs_ss, default_queue_name, in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.worker import Worker

T = TypeVar("T")

#: Seconds that an answer may take.
PATIENCE: Final = 2.0
#: How many jobs are taken out at once.
BATCH: Final = 500

#: Takes waiting jobs out of a queue, in one step, so that no worker can be just about to run one. For each that was
#: there: its id, the job, and how often it was started. KEYS[2] is where they go; without it they are thrown away.
_TAKE: Final = f"""
if KEYS[2] then
  local kind = redis.call('type', KEYS[2]).ok
  if kind ~= 'none' and kind ~= 'zset' then return false end
end
local taken = {{}}
for i = 1, #ARGV do
  local id = ARGV[i]
  local score = redis.call('zscore', KEYS[1], id)
  if score and redis.call('exists', '{in_progress_key_prefix}' .. id) == 0 then
    taken[#taken + 1] = {{id, redis.call('get', '{job_key_prefix}' .. id) or '',
                          redis.call('get', '{retry_key_prefix}' .. id) or '0', score}}
    redis.call('zrem', KEYS[1], id)
    if KEYS[2] then
      redis.call('zadd', KEYS[2], score, id)
    else
      redis.call('del', '{job_key_prefix}' .. id, '{retry_key_prefix}' .. id)
      redis.call('zrem', '{abort_jobs_ss}', id)
    end
  end
end
return taken
"""


class NotAQueue(Exception):
    """Redis keeps something else under that name. Nothing was changed."""


class Broker:
    """`queue`: where jobs go unless somebody says otherwise."""

    def __init__(self, connect: Callable[[], Awaitable[ArqRedis]], queue: str) -> None:
        self._connect = connect
        self._own = threading.local()
        self.queue = queue

    @classmethod
    def of_worker(cls, worker: Worker) -> Broker:
        options: dict[str, Any] = {
            "job_serializer": worker.job_serializer,
            "job_deserializer": worker.job_deserializer,
            "default_queue_name": worker.queue_name,
            "expires_extra_ms": worker.expires_extra_ms,
        }
        if worker.redis_settings is not None:
            return cls.of_settings({**options, "redis_settings": worker.redis_settings})
        theirs = worker.pool.connection_pool

        async def connect() -> ArqRedis:
            own = type(theirs)(connection_class=theirs.connection_class, **theirs.connection_kwargs)
            return ArqRedis(own, **options)

        return cls(connect, worker.queue_name)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Broker:
        """What a worker would connect to. It tries once: somebody waits for the answer."""
        names = ("job_serializer", "job_deserializer", "default_queue_name", "expires_extra_ms")
        queue = settings.get("default_queue_name") or settings.get("queue_name") or default_queue_name
        options = {name: settings[name] for name in names if name in settings} | {"default_queue_name": queue}

        async def connect() -> ArqRedis:
            redis: RedisSettings = settings.get("redis_settings") or RedisSettings()
            return await create_pool(replace(redis, conn_retries=0), **options)

        return cls(connect, queue)

    def ask(self, work: Callable[[ArqRedis], Awaitable[T]], patience: float = PATIENCE) -> T:
        """What `work` makes of a connection. Called from a thread that runs no loop."""
        held: tuple[asyncio.AbstractEventLoop, ArqRedis] | None = getattr(self._own, "held", None)
        if held is not None:
            return held[0].run_until_complete(asyncio.wait_for(work(held[1]), patience))
        return asyncio.run(asyncio.wait_for(self._work(work), patience))

    @contextmanager
    def held(self) -> Iterator[None]:
        """One connection, in one loop, for all that this thread asks meanwhile."""
        loop = asyncio.new_event_loop()
        try:
            pool = loop.run_until_complete(asyncio.wait_for(self._connect(), PATIENCE))
            self._own.held = loop, pool
            try:
                yield
            finally:
                self._own.held = None
                loop.run_until_complete(pool.connection_pool.disconnect())
        finally:
            loop.close()

    async def _work(self, work: Callable[[ArqRedis], Awaitable[T]]) -> T:
        pool = await self._connect()
        try:
            return await work(pool)
        finally:
            await pool.connection_pool.disconnect()


class Taken(tuple[str, bytes, int, int]):
    """A job that waited: its id, the job as arq has it (b"" when it expired), starts so far, when it was due (ms)."""

    __slots__ = ()


async def take(pool: ArqRedis, queue: str, ids: Sequence[str], to: str = "") -> list[Taken]:
    """Take jobs that wait out of a queue, and put them into another. Those that run, or are gone, are left out.
    Raises NotAQueue.
    """
    keys = [queue, to] if to else [queue]
    found: Any = await cast(Awaitable[Any], pool.eval(_TAKE, len(keys), *keys, *ids))
    if found is None:
        raise NotAQueue(to)
    return [Taken((_text(one[0]), one[1], int(one[2]), int(float(one[3])))) for one in found]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
