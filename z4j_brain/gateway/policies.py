"""What the agents of each environment are told of redaction: looked up once for all who ask, and told when it changes.

An agent says with each poll which policy it applies. One that applies another is answered with the newest, at once if
it waits. An agent that says nothing is from before there were policies: it is told nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from uuid import UUID

from z4j_core.policy import Policy

from z4j_brain.agents import redaction
from z4j_brain.gateway.writer import reader

#: How long a policy is taken for the newest, if nobody says that something has changed.
FRESH = 1.0
#: An agent that was told a policy and does not apply it is answered early again only after so long.
PATIENCE = 5.0
#: Digits that the name of a policy may have; what is longer names none.
VERSION = 32


class Policies:
    def __init__(self) -> None:
        self._newest: dict[int, Policy] = {}
        self._looked_at = -FRESH
        self._told: dict[tuple[int, UUID], tuple[str, float]] = {}
        self._looking = asyncio.Lock()

    def forget(self) -> None:
        """Somebody said that something has changed: look again when asked."""
        self._looked_at = -FRESH

    async def look(self, environment_ids: Collection[int]) -> None:
        """Know the newest of these environments. However many ask, the store is asked once in a while."""
        if self._knows(environment_ids):
            return
        async with self._looking:
            if self._knows(environment_ids):
                return
            began = time.monotonic()
            wanted = set(environment_ids) | self._newest.keys()
            self._looked_at = began
            self._newest = await reader.run_urgent(redaction.documents, wanted)
            self._told = {place: told for place, told in self._told.items() if began - told[1] < PATIENCE}

    def differs(self, environment_id: int, applied: str | None) -> Policy | None:
        """The newest policy, where an agent says that it applies another."""
        newest = self._newest.get(environment_id)
        return newest if newest is not None and applied is not None and applied != newest["version"] else None

    def is_due(self, environment_id: int, boot: UUID, applied: str | None) -> bool:
        """Shall an agent that waits be answered for the sake of it?"""
        newest = self.differs(environment_id, applied)
        if newest is None:
            return False
        version, at = self._told.get((environment_id, boot), ("", 0.0))
        return version != newest["version"] or time.monotonic() - at >= PATIENCE

    def versions(self) -> dict[int, str]:
        return {environment_id: newest["version"] for environment_id, newest in self._newest.items()}

    def told(self, environment_id: int, boot: UUID, newest: Policy) -> None:
        self._told[environment_id, boot] = newest["version"], time.monotonic()

    def _knows(self, environment_ids: Collection[int]) -> bool:
        fresh = time.monotonic() - self._looked_at < FRESH
        return fresh and all(one in self._newest for one in environment_ids)


_policies: tuple[asyncio.AbstractEventLoop, Policies] | None = None


def policies() -> Policies:
    """Those of the running loop."""
    global _policies
    loop = asyncio.get_running_loop()
    if _policies is None or _policies[0] is not loop:
        _policies = loop, Policies()
    return _policies[1]
