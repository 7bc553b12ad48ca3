"""What the owner of this worker lets the brain ask for. Read from its own settings; the brain cannot change it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from z4j_bare import each

ALLOWED: Final = frozenset({
    "retry", "retry_with", "cancel", "requeue", "move", "pause", "resume", "hello", "ping",
    "schedule_enable", "schedule_disable", "schedule_run",
})  # fmt: skip
#: Known verbs that need the owner's word. An unknown verb needs it too.
DENIED: Final = frozenset({
    "run", "purge", "restart", "restart_pool", "stop", "grow", "shrink", "autoscale", "rate_limit", "time_limit",
    "reveal", "schedule_edit", "schedule_create", "schedule_delete",
})  # fmt: skip


class AllowList:
    """`rate`: how many commands a minute are carried out; 0: as many as come."""

    def __init__(
        self, allow: Iterable[str] = (), deny: Iterable[str] = (), *, read_only: bool = False, rate: int = 0
    ) -> None:
        self._denied = frozenset(deny)
        self._allowed = (ALLOWED | frozenset(allow)) - self._denied
        self._read_only = read_only
        self._rate = rate
        self._recent: deque[float] = deque()

    def refusal(self, verb: str) -> str:
        """Why not, as a sentence; empty when it is allowed."""
        verb = each.single(verb)
        if verb == "ping" and verb in self._allowed:
            return ""
        if self._read_only:
            return "This worker is read-only by its own settings (Z4J_READ_ONLY)."
        if verb in self._denied:
            return f"This worker's own settings refuse {verb} (Z4J_DENY)."
        if verb not in self._allowed:
            return f"This worker's own settings do not allow {verb} (Z4J_ALLOW)."
        return ""

    def excess(self) -> str:
        """Count one command; why it is one too many, as a sentence, or empty."""
        if not self._rate:
            return ""
        moment = time.monotonic()
        while self._recent and self._recent[0] <= moment - 60:
            self._recent.popleft()
        if len(self._recent) >= self._rate:
            return f"This worker's own settings take {self._rate} commands a minute and no more (Z4J_RATE)."
        self._recent.append(moment)
        return ""

    def describe(self, verbs: Iterable[str]) -> tuple[list[str], dict[str, str]]:
        """What of `verbs` is allowed, and why the others, and the known dangerous ones, are not."""
        known = sorted({*verbs, *DENIED})
        refused = {verb: why for verb in known if (why := self.refusal(verb))}
        return [verb for verb in known if verb not in refused], refused
