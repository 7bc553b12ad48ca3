"""The room where long polls wait. A wake-up costs one query for all of them, and wakes only whom it concerns.

The channel layer brings wake-ups at once; a sweep every second finds what a lost one would have said, writes down who
is waiting, and notices agents that introduced themselves only after they had begun to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Awaitable, Iterable
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
#: A channel layer that was started anew has forgotten who belongs to a group, and says so to nobody.
JOIN_EVERY = 30.0

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
        self._newcomers = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def enter(self, environment_id: int, boot: UUID) -> Waiter:
        """Begin to wait. An older poll of the same boot is let go: its connection is most likely dead."""
        self._open()
        waiter = Waiter(environment_id, boot, self.loop.time())
        if older := self._waiters.get((environment_id, boot)):
            older.superseded = True
            older.flag.set()
        self._waiters[environment_id, boot] = waiter
        if environment_id not in self._joined:
            self._joined[environment_id] = -JOIN_EVERY
            self._newcomers.set()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        if self._waiters.get((waiter.environment_id, waiter.boot)) is waiter:
            del self._waiters[waiter.environment_id, waiter.boot]

    def saw(self, agent_id: UUID) -> None:
        self._polled.add(agent_id)

    def _open(self) -> None:
        if not any(not task.done() for task in self._tasks):
            self._tasks = [
                self.loop.create_task(step()) for step in (self._join, self._listen, self._scan, self._sweep)
            ]
            self._tasks.append(self.loop.create_task(self._close()))

    async def _close(self) -> None:
        await drain.wait()
        for task in self._tasks[:-1]:
            task.cancel()
        for waiter in self._waiters.values():
            waiter.flag.set()

    async def _join(self) -> None:
        """Belong to the group of each environment somebody waits for. No poll waits for it: the sweep finds it all."""
        while True:
            await self._belong()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY):
                    await self._newcomers.wait()
            self._newcomers.clear()

    async def _belong(self) -> None:
        now, present = self.loop.time(), {environment_id for environment_id, _ in self._waiters}
        self._joined = {environment_id: at for environment_id, at in self._joined.items() if environment_id in present}
        due = [environment_id for environment_id, at in self._joined.items() if now - at >= JOIN_EVERY]
        try:
            layer = get_channel_layer()
            # With no prefix of our own: channels-redis listens to one prefix at a time, and websockets have theirs.
            self._channel = self._channel or await layer.new_channel()
            for environment_id in due:
                async with asyncio.timeout(nudge.PATIENCE):
                    await layer.group_add(nudge.agents_group(environment_id), self._channel)
                self._joined[environment_id] = now
                self._dirty.set()  # what was said before
        except Exception as error:
            logger.warning("channel_layer_away error=%s", error or type(error).__name__)

    async def _listen(self) -> None:
        while True:
            try:
                if not self._channel:
                    await asyncio.sleep(0.05)
                    continue
                await get_channel_layer().receive(self._channel)
                self._dirty.set()
            except Exception as error:
                logger.warning("channel_layer_away error=%s", error or type(error).__name__)
                self._joined = dict.fromkeys(self._joined, -JOIN_EVERY)
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
            self._wake(await _quietly(reader.run_urgent(outbox.queued, environments)) or ())

    def _wake(self, queued: Iterable[Queued]) -> None:
        """Wake one for each who can take it; which of several is left to chance, so that the work spreads."""
        waiters = list(self._waiters.values())  # some may have left since we looked
        if not waiters:
            return
        by_agent = {waiter.agent_id: waiter for waiter in waiters}
        unsuited: set[Queued] = set()
        for one in queued:
            _, audience, _, _ = one
            if audience is None and one not in unsuited:
                waiter = _first_suited(one, waiters)
                if waiter is None:
                    unsuited.add(one)  # nor will anybody suit the next of its kind
            else:
                waiter = by_agent.get(audience) if audience else None
            if waiter and waiter.suits(one):
                waiter.flag.set()

    async def _introduce(self) -> None:
        """Look up those who began to wait before the brain had heard what they can do."""
        now = self.loop.time()
        new = [one for one in self._waiters.values() if not one.offers and now - one.since < INTRODUCTION + SWEEP_EVERY]
        if new:
            boots = [(waiter.environment_id, waiter.boot) for waiter in new]
            found = await _quietly(reader.run_urgent(queries.of_boots, boots)) or {}
            for waiter in new:
                waiter.know(found.get((waiter.environment_id, waiter.boot)))


def _first_suited(queued: Queued, waiters: list[Waiter]) -> Waiter | None:
    """The first that can take it and is not awake, from anywhere on: of thousands, few are asked."""
    start = random.randrange(len(waiters))  # noqa: S311
    for waiter in itertools.chain(itertools.islice(waiters, start, None), itertools.islice(waiters, start)):
        if not waiter.flag.is_set() and waiter.suits(queued):
            return waiter
    return None


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
