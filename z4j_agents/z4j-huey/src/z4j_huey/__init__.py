"""z4j's adapter for Huey: one line where the instance is made.

    huey = RedisHuey("orders")
    z4j_huey.attach(huey)

That serves its producers and its consumer. With Django's `huey.contrib.djhuey` and `z4j_django` in INSTALLED_APPS not
even that is needed. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

import z4j_core.engine
from huey import Huey

from z4j_huey.engine import HueyEngine

__all__ = ["HueyEngine", "attach"]


def attach(huey: Huey) -> bool:
    """Report what this instance sends and runs. False when no brain is configured. Opens no connection by itself."""
    return z4j_core.engine.attach(HueyEngine(huey))
