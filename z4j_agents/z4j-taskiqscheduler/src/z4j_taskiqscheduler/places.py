"""The sources of a scheduler: where its schedules are kept, and what can be done to them there.

Everything runs in the loop of the scheduler.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from taskiq import ScheduledTask, ScheduleSource
from z4j_core.timetable import Definition

#: Seconds between two looks at every key of Redis for schedules that are due once.
SCAN_EVERY: Final = 60.0
_LIBRARY: Final = "taskiq_redis"
FIXED: Final = "The source of this schedule takes no changes from outside."
NO_SWITCH: Final = "This source has no way to keep a schedule that does not fire: delete it, or edit it."


@dataclass(frozen=True, slots=True)
class Held:
    """One schedule. `code`: as it stands in the code, where the one in force is another."""

    task: ScheduledTask
    place: Place
    enabled: bool = True
    code: ScheduledTask | None = None


class Place(ABC):
    """`cannot`: why a verb cannot be done to the schedules here."""

    definition: ClassVar[Definition] = Definition.STORE
    cannot: ClassVar[dict[str, str]] = {}
    #: Whether new ones can be put here.
    takes: ClassVar[bool] = False

    def __init__(self, source: ScheduleSource) -> None:
        self.source: Any = source

    @abstractmethod
    async def held(self) -> Iterable[Held]:
        """All that is kept here, disabled ones too."""

    async def put(self, task: ScheduledTask) -> None:
        """Instead of the one with its id, if there is one: added twice it would be there twice."""
        await self.source.delete_schedule(task.schedule_id)
        await self.source.add_schedule(task)

    async def replace(self, held: Held, task: ScheduledTask) -> None:
        await self.put(task)

    async def delete(self, held: Held) -> None:
        await self.source.delete_schedule(held.task.schedule_id)

    async def disable(self, held: Held) -> None:
        raise NotImplementedError

    async def enable(self, held: Held) -> None:
        raise NotImplementedError


class Fixed(Place):
    """It can be read, and that is all."""

    cannot: ClassVar[dict[str, str]] = dict.fromkeys(
        ("schedule_enable", "schedule_disable", "schedule_edit", "schedule_delete"), FIXED
    )

    async def held(self) -> Iterable[Held]:
        return [Held(task, self) for task in await self.source.get_schedules()]


class Written(Fixed):
    """A source of any make that adds and deletes."""

    cannot: ClassVar[dict[str, str]] = dict.fromkeys(("schedule_enable", "schedule_disable"), NO_SWITCH)
    takes: ClassVar[bool] = True


class RedisLists(Place):
    """taskiq-redis' ListRedisScheduleSource. What is disabled is kept beside it, in a hash of the same Redis: there it
    is not lost with the agent's files, and every host sees it.
    """

    takes: ClassVar[bool] = True

    def __init__(self, source: ScheduleSource) -> None:
        super().__init__(source)
        self._hash = f"z4j:disabled:{self.source._prefix}"
        self._once: set[str] = set()
        self._scan_at = 0.0

    def _client(self) -> Any:
        """The client that the library's own module uses, over the source's own connections."""
        home = next(kind.__module__ for kind in type(self.source).__mro__ if _is_library(kind))
        return sys.modules[home].Redis(connection_pool=self.source._connection_pool)

    async def held(self) -> Iterable[Held]:
        """The source itself tells of those that are due once only in their minute."""
        async with self._client() as client:
            ids = await self._ids(client)
            raws = await client.mget([self.source._get_data_key(key) for key in ids]) if ids else []
            off = {_text(key): raw for key, raw in (await client.hgetall(self._hash)).items()}
        found = {key: self._read(raw) for key, raw in zip(ids, raws, strict=True) if raw is not None}
        self._once &= found.keys()
        for key in off.keys() & found.keys():  # somebody has added it again; disabled it stays
            await self.disable(Held(found[key], self))
        kept = {key: found.get(key) or self._read(raw) for key, raw in off.items()}
        return [
            *(Held(task, self) for key, task in found.items() if key not in off),
            *(Held(task, self, enabled=False) for task in kept.values()),
        ]

    async def _ids(self, client: Any) -> list[str]:
        lists = (self.source._get_cron_key(), self.source._get_interval_key())
        ids = {_text(key) for name in lists for key in await client.lrange(name, 0, -1)}
        if time.monotonic() >= self._scan_at:
            self._scan_at = time.monotonic() + SCAN_EVERY
            start = self.source._get_data_key("")
            self._once = {_text(key).removeprefix(start) async for key in client.scan_iter(f"{start}*", count=1000)}
        return sorted(ids | self._once)

    async def put(self, task: ScheduledTask) -> None:
        await super().put(task)
        self._once.add(task.schedule_id)

    async def replace(self, held: Held, task: ScheduledTask) -> None:
        await (self.put(task) if held.enabled else self._keep(task))

    async def delete(self, held: Held) -> None:
        await super().delete(held)
        async with self._client() as client:
            await client.hdel(self._hash, held.task.schedule_id)

    async def disable(self, held: Held) -> None:
        await self._keep(held.task)
        await super().delete(held)

    async def enable(self, held: Held) -> None:
        await self.put(held.task)
        async with self._client() as client:
            await client.hdel(self._hash, held.task.schedule_id)

    async def _keep(self, task: ScheduledTask) -> None:
        raw = self.source._serializer.dumpb(task.model_dump(mode="json"))
        async with self._client() as client:
            await client.hset(self._hash, task.schedule_id, raw)

    def _read(self, raw: bytes) -> ScheduledTask:
        return ScheduledTask.model_validate(self.source._serializer.loadb(raw))


def place_of(source: ScheduleSource) -> Place:
    """For all but those whose schedules stand in the code."""
    if any(_is_library(kind) and kind.__name__ == "ListRedisScheduleSource" for kind in type(source).__mro__):
        return RedisLists(source)
    kind = type(source)
    adds = kind.add_schedule is not ScheduleSource.add_schedule
    return Written(source) if adds and kind.delete_schedule is not ScheduleSource.delete_schedule else Fixed(source)


def _is_library(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _LIBRARY


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
