"""Where the open pages of one process hear of changes: one subscription an environment, passed on by a call.

A channel layer looks after each of its listeners at each message. That is much for a hundred pages of one environment,
of which most want to know nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from channels.layers import get_channel_layer

from z4j_brain.lib import drain, nudge

logger = logging.getLogger(__name__)

#: A channel layer that was started anew has forgotten who belongs to a group, and says so to nobody; and it forgets in
#: any case after a day.
JOIN_EVERY = 30.0
#: How long after the channel layer was away it is asked again, in seconds.
AGAIN = 1.0


class Page(Protocol):
    """Whoever hears: `ids` of things of a kind that have changed, none of them for any."""

    def hear(self, kind: str, ids: Sequence[str]) -> None: ...


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._pages: dict[int, set[Page]] = {}
        self._joined: dict[int, float] = {}
        self._channel = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def enter(self, environment_id: int, page: Page) -> None:
        """From now on the page hears of the environment. Whatever the channel layer raises when it is away."""
        await self._open()
        self._pages.setdefault(environment_id, set()).add(page)
        if environment_id in self._joined:
            return
        try:
            await self._join(environment_id)
        except Exception:
            self.leave(environment_id, page)
            raise

    def leave(self, environment_id: int, page: Page) -> None:
        pages = self._pages.get(environment_id, set())
        pages.discard(page)
        if not pages:
            self._pages.pop(environment_id, None)

    async def _open(self) -> None:
        # With no prefix of our own: channels-redis listens to one prefix at a time, and websockets have theirs.
        self._channel = self._channel or await get_channel_layer().new_channel()
        if not any(not task.done() for task in self._tasks):
            self._tasks = [self.loop.create_task(step()) for step in (self._listen, self._stay, self._close)]

    async def _join(self, environment_id: int) -> None:
        async with asyncio.timeout(nudge.PATIENCE):
            await get_channel_layer().group_add(nudge.pages_group(environment_id), self._channel)
        self._joined[environment_id] = self.loop.time()

    async def _listen(self) -> None:
        while True:
            try:
                self._pass_on(await get_channel_layer().receive(self._channel))
            except Exception as error:
                logger.warning("channel_layer_away error=%s", error or type(error).__name__)
                self._joined = dict.fromkeys(self._joined, -JOIN_EVERY)
                await asyncio.sleep(AGAIN)

    def _pass_on(self, message: dict[str, Any]) -> None:
        for page in tuple(self._pages.get(message["environment"], ())):
            page.hear(message["kind"], message["ids"])

    async def _stay(self) -> None:
        """Belong to the groups of environments of which a page is open, and to no other."""
        while True:
            await asyncio.sleep(AGAIN)
            try:
                await self._belong(self.loop.time() - JOIN_EVERY)
            except Exception as error:
                logger.warning("channel_layer_away error=%s", error or type(error).__name__)

    async def _belong(self, before: float) -> None:
        for environment_id in [one for one, at in self._joined.items() if at <= before]:
            if environment_id in self._pages:
                await self._join(environment_id)
                continue
            del self._joined[environment_id]
            async with asyncio.timeout(nudge.PATIENCE):
                await get_channel_layer().group_discard(nudge.pages_group(environment_id), self._channel)
            if environment_id in self._pages:  # somebody came meanwhile, and may have been taken out again
                await self._join(environment_id)

    async def _close(self) -> None:
        await drain.wait()
        for task in self._tasks[:-1]:
            task.cancel()


_hub: Hub | None = None


def hub() -> Hub:
    """The hub of the running loop."""
    global _hub
    loop = asyncio.get_running_loop()
    if _hub is None or _hub.loop is not loop:
        _hub = Hub(loop)
    return _hub
