"""Who judges by what agents told has to have listened for a while: after a start, and after a pause, they catch up."""

from __future__ import annotations

import time
from typing import Final

#: After a start, and after a pause of so long, agents get so much time to tell what they could not, in seconds.
PAUSE: Final = 60.0
SETTLE: Final = 90.0


class Listening:
    """Since when the turns of one duty follow each other without a pause, and when the last one was."""

    def __init__(self) -> None:
        self.since = 0.0
        self._last = -PAUSE

    def is_settled(self) -> bool:
        """Called at each turn: has it listened for long enough?"""
        now = time.monotonic()
        if now - self._last >= PAUSE:
            self.since = now
        self._last = now
        return now - self.since >= SETTLE
