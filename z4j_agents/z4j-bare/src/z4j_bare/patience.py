"""How long a poll may wait at the brain: what a proxy between us allows, learnt when it cuts twice at the same time."""

from __future__ import annotations

from typing import Final

#: Seconds a poll waits at most, and the shortest wait that a proxy can teach.
MOST: Final = 25
LEAST: Final = 1
#: Polls after which the longest wait is tried again: the proxy may have changed.
TRUST: Final = 200
#: Statuses by which a proxy says that it did not get an answer in time.
IMPATIENT: Final = frozenset({408, 502, 504})


class Patience:
    def __init__(self) -> None:
        self.seconds = MOST
        self._cut_at = 0.0
        self._kept = 0

    def kept(self) -> None:
        """A poll was answered."""
        self._kept += 1
        if self.seconds < MOST and self._kept >= TRUST:
            self.seconds, self._kept = MOST, 0

    def cut(self, after: float) -> bool:
        """A poll got no answer after so many seconds. True: that is somebody's habit, and we wait less from here on."""
        habit = LEAST * 2 <= after < self.seconds and abs(after - self._cut_at) < 0.5 + after / 10
        self._cut_at = after
        if habit:
            self.seconds, self._kept = max(int(after * 0.8), LEAST), 0
        return habit
