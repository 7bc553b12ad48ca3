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
from collections import Counter
from collections.abc import Awaitable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import DatabaseError

from z4j_brain.agents import ingest as agents
from z4j_brain.agents import queries
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import AgentRole
from z4j_brain.gateway import bearer
from z4j_brain.gateway.policies import policies
from z4j_brain.gateway.writer import reader, writer
from z4j_brain.lib import drain, nudge
from z4j_brain.operations import outbox

logger = logging.getLogger(__name__)

SWEEP_EVERY = 1.0
#: How long a waiting agent may take to introduce itself before it is looked up only at its next poll.
INTRODUCTION = 5.0
LOOKED_UP_AT_ONCE = 500
#: A channel layer that was started anew has forgotten who belongs to a group, and says so to nobody.
JOIN_EVERY = 30.0
#: Agents of which the room remembers the policy that was written down for them.
APPLYING = 20_000
#: How long the room remembers what an agent can do that polls again and again.
REMEMBERED_FOR = 60.0

Queued = tuple[int, UUID | None, str, str]
Result = TypeVar("Result")
Same = TypeVar("Same", bound=Hashable)


@lru_cache(maxsize=1024)
def _one(equal: Same) -> Same:
    """Of equal values the first: thousands of waiters of a few kinds say the same."""
    return equal


@dataclass(slots=True, eq=False)
class Waiter:
    environment_id: int
    boot: UUID
    since: float
    #: By which it came: when that ends, so does its wait.
    authorization: str = ""
    agent_id: UUID | None = None
    offers: frozenset[tuple[str, str]] = frozenset()
    #: Engines of a worker, whose stores it can ask about tasks in doubt.
    engines: frozenset[str] = frozenset()
    #: The policy of redaction that it says it applies; None when it says nothing.
    policy: str | None = None
    #: There is another policy: it is answered, commands or none.
    has_news: bool = False
    #: Nobody will read the answer: another poll took its place, or its connection is gone.
    superseded: bool = False
    #: When it was looked up who this is.
    known_at: float = 0.0
    flag: asyncio.Event = field(default_factory=asyncio.Event)
    #: Done when the brain knows who this is and has looked what is queued for them; with an error when it could not.
    looked_up: asyncio.Future[Exception | None] = field(default_factory=asyncio.Future)

    def let_go(self) -> None:
        """Nobody will read the answer: end it."""
        self.superseded = True
        self.flag.set()
        self.found(None)

    def found(self, error: Exception | None) -> None:
        if not self.looked_up.done():
            self.looked_up.set_result(error)

    def look_at_policy(self) -> None:
        """End the wait of an agent that applies an older policy."""
        if policies().is_due(self.environment_id, self.boot, self.policy):
            self.has_news = True
            self.flag.set()

    def know(self, agent: Agent | None) -> None:
        if agent is not None:
            self.agent_id, self.offers = agent.pk, _one(frozenset(outbox.offers(agent)))
            works = agent.role == AgentRole.WORKER
            self.engines = _one(frozenset(one["name"] for one in agent.engines if works and one.get("capabilities")))

    def suits(self, queued: Queued) -> bool:
        environment_id, audience, engine, verb = queued
        mine = audience in (None, self.agent_id) and environment_id == self.environment_id
        return mine and (engine, verb) in self.offers


@dataclass(slots=True, frozen=True)
class Known:
    """What was looked up about an agent, and when."""

    at: float
    agent_id: UUID
    offers: frozenset[tuple[str, str]]
    engines: frozenset[str]


class Room:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiters: dict[tuple[int, UUID], Waiter] = {}
        self._environments: Counter[int] = Counter()
        self._by_agent: dict[UUID, Waiter] = {}
        self._new: list[Waiter] = []
        self._known: dict[tuple[int, UUID], Known] = {}
        #: The last look found nothing queued, and nobody has said anything since: who comes now need not look.
        self._quiet = False
        self._polled: set[UUID] = set()
        #: By agent the policy it applies: as written down, and as is still to be.
        self._applied: dict[UUID, str] = {}
        self._applies: dict[UUID, str] = {}
        self._policies: dict[int, str] = {}
        self._joined: dict[int, float] = {}
        self._channel = ""
        self._dirty = asyncio.Event()
        self._newcomers = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def enter(self, environment_id: int, boot: UUID, authorization: str = "", policy: str | None = None) -> Waiter:
        """Begin to wait. An older poll of the same boot is let go: its connection is most likely dead."""
        self._open()
        waiter = Waiter(environment_id, boot, self.loop.time(), _one(authorization), policy=_one(policy))
        if older := self._waiters.get((environment_id, boot)):
            self.leave(older)
            older.let_go()
        self._waiters[environment_id, boot] = waiter
        self._environments[environment_id] += 1
        if environment_id not in self._joined:
            self._joined[environment_id] = -JOIN_EVERY
            self._newcomers.set()
        looked = self._quiet and not self._dirty.is_set() and self._environments[environment_id] > 1
        if self._recall(waiter) and looked:
            waiter.found(None)
        else:
            self._new.append(waiter)
            self._dirty.set()
        return waiter

    def _recall(self, waiter: Waiter) -> bool:
        """Is it known from its last poll who this is and what they can do?"""
        known = self._known.get((waiter.environment_id, waiter.boot))
        if known is None or waiter.since - known.at >= REMEMBERED_FOR:
            return False
        waiter.known_at = known.at
        waiter.agent_id, waiter.offers, waiter.engines = known.agent_id, known.offers, known.engines
        self._heard(waiter, known.agent_id)
        return True

    def _heard(self, waiter: Waiter, agent_id: UUID) -> None:
        self._by_agent[agent_id] = waiter
        self._polled.add(agent_id)
        if waiter.policy is not None and self._applied.get(agent_id) != waiter.policy:
            self._applies[agent_id] = waiter.policy

    def _forget(self, place: tuple[int, UUID]) -> None:
        """This agent has said anew what it can do: what was looked up of it is from before that."""
        self._known.pop(place, None)
        if waiter := self._waiters.get(place):
            waiter.offers = frozenset()
            self._new.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        place = waiter.environment_id, waiter.boot
        if self._waiters.get(place) is waiter:
            del self._waiters[place]
            self._environments -= Counter([waiter.environment_id])  # drops what is zero
        if waiter.agent_id and waiter.offers:
            self._known[place] = Known(waiter.known_at, waiter.agent_id, waiter.offers, waiter.engines)
        if waiter.agent_id and self._by_agent.get(waiter.agent_id) is waiter:
            del self._by_agent[waiter.agent_id]

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
        for waiter in list(self._waiters.values()):
            waiter.let_go()

    async def _join(self) -> None:
        """Belong to the group of each environment somebody waits for. No poll waits for it: the sweep finds it all."""
        while True:
            await self._belong()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY):
                    await self._newcomers.wait()
            self._newcomers.clear()

    async def _belong(self) -> None:
        now = self.loop.time()
        here = self._environments
        self._joined = {environment_id: at for environment_id, at in self._joined.items() if environment_id in here}
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
                message = await get_channel_layer().receive(self._channel)
                if message.get("about") == nudge.POLICY:
                    policies().forget()
                if message.get("about") == nudge.AGENT:
                    self._forget((message["environment"], UUID(message["boot"])))
                self._dirty.set()
            except Exception as error:
                logger.warning("channel_layer_away error=%s", error or type(error).__name__)
                self._joined = dict.fromkeys(self._joined, -JOIN_EVERY)
                await asyncio.sleep(SWEEP_EVERY)

    async def _scan(self) -> None:
        """Look who has come and what is queued, whenever somebody says so; however many say so, once more is enough."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            new, self._new = self._new[:LOOKED_UP_AT_ONCE], self._new[LOOKED_UP_AT_ONCE:]
            if self._new:
                self._dirty.set()
            error: Exception | None = None
            try:
                self._quiet = False
                await self._introduce([waiter for waiter in new if not waiter.offers])
                await self._look()
            except DatabaseError as problem:  # it may be away for a while: the next sweep tries again
                logger.warning("store_away error=%s", str(problem).strip())
                error = problem
            except Exception as problem:
                logger.exception("scan_failed")
                error = problem
            for waiter in new:
                waiter.found(error)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            now = self.loop.time()
            # Those who began to wait before the brain had heard what they can do.
            young = (waiter for waiter in self._waiters.values() if now - waiter.since < INTRODUCTION + SWEEP_EVERY)
            self._new += [waiter for waiter in young if not waiter.offers and waiter.looked_up.done()]
            old = [place for place, known in self._known.items() if now - known.at >= REMEMBERED_FOR]
            for place in old:
                del self._known[place]
            self._dirty.set()
            if self._polled:
                polled, self._polled = self._polled, set()
                await _quietly(writer.run_urgent(agents.polled, polled))
            if self._applies:
                applies, self._applies = self._applies, {}
                await _quietly(writer.run_urgent(agents.applies, applies))
                self._applied = (self._applied if len(self._applied) < APPLYING else {}) | applies
            await self._recheck()

    async def _recheck(self) -> None:
        """Wake whose key is no longer in force: they are told so."""
        for authorization in {waiter.authorization for waiter in self._waiters.values()} - {""}:
            try:
                if bearer.recall(authorization) is None:
                    await _quietly(reader.run_urgent(bearer.authenticate, authorization))
            except bearer.Unauthorized:
                for waiter in self._waiters.values():
                    if waiter.authorization == authorization:
                        waiter.flag.set()

    async def _introduce(self, new: list[Waiter]) -> None:
        here = [waiter for waiter in new if self._waiters.get((waiter.environment_id, waiter.boot)) is waiter]
        if not here:
            return
        found = await reader.run_urgent(queries.of_boots, [(waiter.environment_id, waiter.boot) for waiter in here])
        for waiter in here:
            place = waiter.environment_id, waiter.boot
            waiter.know(found.get(place))
            waiter.known_at = self.loop.time()
            if waiter.agent_id and self._waiters.get(place) is waiter:
                self._heard(waiter, waiter.agent_id)

    async def _look(self) -> None:
        if self._environments:
            queued = await reader.run_urgent(outbox.queued, set(self._environments))
            self._quiet = not queued
            self._wake(queued)
            await policies().look(self._environments)
            self._compare()

    def _compare(self) -> None:
        """Wake those whose environment asks for something else than a moment ago; who comes, looks by itself."""
        was, self._policies = self._policies, policies().versions()
        if was != self._policies:
            for waiter in self._waiters.values():
                waiter.look_at_policy()

    def _wake(self, queued: Iterable[Queued]) -> None:
        """Wake one for each who can take it; which of several is left to chance, so that the work spreads."""
        waiters: list[Waiter] = []
        unsuited: set[Queued] = set()
        for one in queued:
            audience = one[1]
            if audience is not None:
                waiter = self._by_agent.get(audience)
            elif one in unsuited:  # nor will anybody suit another of its kind
                continue
            else:
                waiters = waiters or list(self._waiters.values())
                waiter = _first_suited(one, waiters)
                if waiter is None:
                    unsuited.add(one)
            if waiter and waiter.suits(one):
                waiter.flag.set()


def _first_suited(queued: Queued, waiters: list[Waiter]) -> Waiter | None:
    """The first that can take it and is not awake, from anywhere on: of thousands, few are asked."""
    start = random.randrange(len(waiters) or 1)  # noqa: S311
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
