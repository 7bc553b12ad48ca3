"""How long to wait after a failure: full jitter, from half a second to a minute."""

from __future__ import annotations

import random
from typing import Final

FIRST: Final = 0.5
LAST: Final = 60.0
#: After a refusal that only people can change, such as a revoked key.
SLOW: Final = (30.0, 60.0)


class Backoff:
    def __init__(self) -> None:
        self.failures = 0

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait now."""
        ceiling = min(LAST, FIRST * 2 ** min(self.failures, 16))
        self.failures += 1
        return at_least + random.uniform(0.05, ceiling)  # noqa: S311 - spreads load, guards nothing

    def refused(self) -> float:
        self.failures += 1
        return random.uniform(*SLOW)  # noqa: S311 - spreads load, guards nothing
