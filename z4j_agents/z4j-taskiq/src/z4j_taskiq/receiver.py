"""taskiq's receiver, which knows how many tasks run at once: `taskiq worker --receiver z4j_taskiq:Receiver`."""

from __future__ import annotations

from typing import Any

import taskiq.receiver
from taskiq import AsyncBroker
from z4j_core.engine import attach
from z4j_core.safety import guard

from z4j_taskiq.engine import TaskiqEngine


def attached(broker: AsyncBroker) -> TaskiqEngine:
    """The adapter of a broker. It is installed, unless no brain is configured."""
    engine = TaskiqEngine.of(broker)
    if engine is None:
        engine = TaskiqEngine(broker)
        attach(engine)
    return engine


class Receiver(taskiq.receiver.Receiver):
    """Does what taskiq's does. What was cancelled after it was taken and before it was begun does not run."""

    def __init__(self, broker: AsyncBroker, *args: Any, **kwargs: Any) -> None:
        super().__init__(broker, *args, **kwargs)
        self.z4j: TaskiqEngine | None = None
        with guard("taskiq.receiver"):
            self.z4j = attached(broker)
            self.z4j.serve(self, int(kwargs.get("max_prefetch") or 0))

    async def callback(self, message: Any, *args: Any, **kwargs: Any) -> None:
        inlet = self.z4j.inlet if self.z4j is not None else None
        if inlet is None or not await inlet.drops(message):
            await super().callback(message, *args, **kwargs)
