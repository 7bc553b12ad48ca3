"""The room where long polls wait. A wake-up costs one query for all of them, and wakes only whom it concerns.

The channel layer brings wake-ups at once; a sweep every second finds what a lost one would have said, writes down who
is waiting, and notices agents that introduced themselves only after they had begun to wait.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import DatabaseError

from z4j_brain.agents import ingest as agents
from z4j_brain.agents import queries
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import AgentRole
from z4j_brain.gateway.writer import reader, writer
from z4j_brain.lib import drain, nudge
from z4j_brain.operations import outbox

logger = logging.getLogger(__name__)

SWEEP_EVERY = 1.0
#: How long a waiting agent may take to introduce itself before it is looked up only at its next poll.
INTRODUCTION = 5.0
#: The channel layer forgets members of a group after a day.
JOIN_EVERY = 3600.0

Queued = tuple[int, UUID | None, str, str]
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Waiter:
    environment_id: int
    boot: UUID
    since: float
    agent_id: UUID | None = None
    offers: frozenset[tuple[str, str]] = frozenset()
    #: Engines of a worker, whose stores it can ask about tasks in doubt.
    engines: frozenset[str] = frozenset()
    #: Nobody will read the answer: another poll took its place, or its connection is gone.
    superseded: bool = False
    flag: asyncio.Event = field(default_factory=asyncio.Event)

    def know(self, agent: Agent | None) -> None:
        if agent is not None:
            self.agent_id, self.offers = agent.pk, frozenset(outbox.offers(agent))
            works = agent.role == AgentRole.WORKER
            self.engines = frozenset(one["name"] for one in agent.engines if works and one.get("capabilities"))

    def suits(self, queued: Queued) -> bool:
        environment_id, audience, engine, verb = queued
        mine = audience in (None, self.agent_id) and environment_id == self.environment_id
        return mine and (engine, verb) in self.offers


class Room:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiters: dict[tuple[int, UUID], Waiter] = {}
        self._polled: set[UUID] = set()
        self._joined: dict[int, float] = {}
        self._channel = ""
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def enter(self, environment_id: int, boot: UUID) -> Waiter:
        """Begin to wait. An older poll of the same boot is let go: its connection is most likely dead."""
        self._open()
        waiter = Waiter(environment_id, boot, self.loop.time())
        if older := self._waiters.get((environment_id, boot)):
            older.superseded = True
            older.flag.set()
        self._waiters[environment_id, boot] = waiter
        await self._join(environment_id)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        if self._waiters.get((waiter.environment_id, waiter.boot)) is waiter:
            del self._waiters[waiter.environment_id, waiter.boot]

    def saw(self, agent_id: UUID) -> None:
        self._polled.add(agent_id)

    def _open(self) -> None:
        if not any(not task.done() for task in self._tasks):
            self._tasks = [self.loop.create_task(step()) for step in (self._listen, self._scan, self._sweep)]
            self._tasks.append(self.loop.create_task(self._close()))

    async def _close(self) -> None:
        await drain.wait()
        for task in self._tasks[:-1]:
            task.cancel()
        for waiter in self._waiters.values():
            waiter.flag.set()

    async def _join(self, environment_id: int) -> None:
        if self.loop.time() - self._joined.get(environment_id, -JOIN_EVERY) < JOIN_EVERY:
            return
        self._joined[environment_id] = self.loop.time()
        try:
            layer = get_channel_layer()
            self._channel = self._channel or await layer.new_channel("agents")
            await layer.group_add(nudge.agents_group(environment_id), self._channel)
        except Exception as error:  # the channel layer may be away; the sweep does its work meanwhile
            self._joined.pop(environment_id, None)
            logger.warning("channel_layer_away error=%s", error)

    async def _listen(self) -> None:
        while True:
            try:
                if not self._channel:
                    await asyncio.sleep(0.05)
                    continue
                await get_channel_layer().receive(self._channel)
                self._dirty.set()
            except Exception as error:
                logger.warning("channel_layer_away error=%s", error)
                await asyncio.sleep(SWEEP_EVERY)

    async def _scan(self) -> None:
        """Look what is queued whenever somebody says so; however many say so meanwhile, once more is enough."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._look()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            await self._introduce()
            self._dirty.set()
            if self._polled:
                polled, self._polled = self._polled, set()
                await _quietly(writer.run_urgent(agents.polled, polled))

    async def _look(self) -> None:
        environments = {environment_id for environment_id, _ in self._waiters}
        if environments:
            for queued in await _quietly(reader.run_urgent(outbox.queued, environments)) or ():
                self._wake(queued)

    def _wake(self, queued: Queued) -> None:
        """Wake one who can take it; which of several is left to chance, so that the work spreads."""
        suited = [waiter for waiter in self._waiters.values() if waiter.suits(queued) and not waiter.flag.is_set()]
        if suited:
            random.choice(suited).flag.set()  # noqa: S311

    async def _introduce(self) -> None:
        """Look up those who began to wait before the brain had heard what they can do."""
        now = self.loop.time()
        new = [one for one in self._waiters.values() if not one.offers and now - one.since < INTRODUCTION + SWEEP_EVERY]
        if new:
            boots = [(waiter.environment_id, waiter.boot) for waiter in new]
            found = await _quietly(reader.run_urgent(queries.of_boots, boots)) or {}
            for waiter in new:
                waiter.know(found.get((waiter.environment_id, waiter.boot)))


async def _quietly(work: Awaitable[Result]) -> Result | None:
    """The store may be away for a while: the next sweep tries again."""
    try:
        return await work
    except DatabaseError as error:
        logger.warning("store_away error=%s", error)
        return None


_room: Room | None = None


def room() -> Room:
    """The room of the running loop."""
    global _room
    loop = asyncio.get_running_loop()
    if _room is None or _room.loop is not loop:
        _room = Room(loop)
    return _room
