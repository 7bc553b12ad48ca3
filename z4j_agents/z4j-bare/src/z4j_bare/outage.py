"""How one thread gets along with the brain: when to try again, and what to tell the owner of this process.

Full jitter, from half a second to a minute. Threads that stand beside each other learn from each other that it is over.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Final

logger = logging.getLogger(__name__)

FIRST: Final = 0.5
LAST: Final = 60.0
#: After a refusal that only people can change, such as a revoked key.
SLOW: Final = (30.0, 60.0)
#: A brain that restarts is nobody's business; one that stays away is.
WORTH_A_WARNING: Final = 60.0


class Outage:
    def __init__(self) -> None:
        self._failures = 0
        self._began = 0.0
        self._quiet_until = 0.0
        self._asked_until = 0.0
        self._told: set[str] = set()
        self._beside: list[Outage] = []

    @property
    def failing(self) -> bool:
        """The last attempt did not work."""
        return self._failures > 0

    @property
    def resting(self) -> bool:
        """The brain is left alone for a while."""
        return time.monotonic() < self._quiet_until

    def stand_beside(self, other: Outage) -> None:
        self._beside.append(other)
        other._beside.append(self)

    def over(self) -> None:
        """It worked. Whoever is waiting beside us need not wait any longer than the brain asked for."""
        if self._failures:
            self._failures, self._quiet_until = 0, 0.0
            self._told.clear()
            for other in self._beside:
                other._quiet_until = min(other._quiet_until, other._asked_until)

    def failed(self, what: str, at_least: float = 0.0) -> None:
        """Did not work now and may work soon. `at_least`: so long the brain asked to be left alone."""
        ceiling = min(LAST, FIRST * 2 ** min(self._failures, 16))
        wait = at_least + random.uniform(0.05, ceiling)  # noqa: S311 - spreads load, guards nothing
        self._rest(wait)
        self._asked_until = time.monotonic() + wait if at_least else 0.0
        lasting = time.monotonic() - self._began >= WORTH_A_WARNING
        self._tell(logging.WARNING if lasting else logging.DEBUG, what)

    def refused(self, what: str) -> None:
        """Will not work before somebody changes something."""
        self._rest(random.uniform(*SLOW))  # noqa: S311 - spreads load, guards nothing
        self._tell(logging.WARNING, what)

    def _rest(self, seconds: float) -> None:
        if not self._failures:
            self._began = time.monotonic()
        self._failures += 1
        self._quiet_until = time.monotonic() + seconds

    def _tell(self, level: int, what: str) -> None:
        """Each thing once at each level, until it is over."""
        sentence = f"{logging.getLevelName(level)} {what}"
        if sentence not in self._told:
            self._told.add(sentence)
            logger.log(level, "The z4j brain %s.", what)
