"""Time as the wire has it, and how far this clock is from the brain's."""

from __future__ import annotations

import time
from typing import Any, Final

#: Seconds after which a worse measurement replaces a better one: clocks are set, and drift.
STALE: Final = 120.0


def now() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class Skew:
    """This clock minus the brain's, in microseconds. The brain read its clock between a request and its answer, so the
    quickest answer of late says it best.
    """

    def __init__(self) -> None:
        self.estimate: int | None = None
        self._doubt = 0
        self._at = 0.0

    def note(self, began: int, ended: int, told: Any) -> None:
        """A request left at `began`, its answer came at `ended` (both by this clock) and told the brain's time."""
        if type(told) is not int or told <= 0 or ended < began:
            return
        moment = time.monotonic()
        if self.estimate is None or ended - began <= self._doubt or moment - self._at > STALE:
            self.estimate = (began + ended) // 2 - told
            self._doubt, self._at = ended - began, moment
