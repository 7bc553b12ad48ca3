"""z4j's adapter for Dramatiq.

A worker needs no code: name our module after yours.

    dramatiq your_app z4j_dramatiq.auto

Or one line after the broker is made, which serves producers too: `z4j_dramatiq.install(broker)`. Without Z4J_DSN
nothing happens.
"""

from __future__ import annotations

import dramatiq
from z4j_core.engine import attach

from z4j_dramatiq.engine import DramatiqEngine

__all__ = ["DramatiqEngine", "install"]


def install(broker: dramatiq.Broker | None = None) -> bool:
    """Report what this process sends and runs through the broker, the global one when left out. False when no brain is
    configured. Opens no connection by itself.
    """
    return attach(DramatiqEngine(broker or dramatiq.get_broker()))
