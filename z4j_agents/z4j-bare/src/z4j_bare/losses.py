"""What never got to the brain, said aloud: in the log of this process, and in the counters that the brain shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from z4j_core import safety

logger = logging.getLogger(__name__)

#: Seconds between two looks, and at least between two lines of the log.
LOOK_EVERY: Final = 2.0
SAY_EVERY: Final = 60.0
#: Why an event was dropped, for people.
REASONS: Final = {
    "memory": "they came faster than they could be written to the spool",
    "full": "the spool is full (Z4J_SPOOL_CAP)",
    "age": "the brain did not take them for a week",
    "too_large": "they were too large",
    "invalid": "they were no events",
}


class Losses:
    """An errand of the sender's thread. `dropped` counts them so far, by reason; `report` has the brain learn of it."""

    def __init__(self, dropped: Callable[[], Mapping[str, int]], report: Callable[[], None]) -> None:
        self._dropped = dropped
        self._report = report
        self._look_at = 0.0
        self._voice = Voice()

    def __call__(self) -> None:
        moment = time.monotonic()
        if moment >= self._look_at:
            self._look_at = moment + LOOK_EVERY
            with safety.guard("losses"):
                if self._voice.say(self._dropped()):
                    self._report()

    def end(self) -> None:
        """Say what is still unsaid."""
        with safety.guard("losses"):
            self._voice.say(self._dropped(), last=True)


class Voice:
    """One line at once, and then one a minute at most; each says what came since the one before."""

    def __init__(self) -> None:
        self._said: dict[str, int] = {}
        self._quiet_until = 0.0

    def say(self, dropped: Mapping[str, int], *, last: bool = False) -> bool:
        """True: it was said."""
        fresh = {reason: number - self._said.get(reason, 0) for reason, number in dropped.items()}
        fresh = {reason: number for reason, number in fresh.items() if number > 0}
        if not fresh or (time.monotonic() < self._quiet_until and not last):
            return False
        self._said = dict(dropped)
        self._quiet_until = time.monotonic() + SAY_EVERY
        why = "; ".join(f"{number} because {REASONS.get(reason, reason)}" for reason, number in sorted(fresh.items()))
        logger.warning(
            "The z4j agent dropped %s events: %s. They are missing from the history.", sum(fresh.values()), why
        )
        return True
