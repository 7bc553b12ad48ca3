"""z4j's adapter for taskiq: one line where the broker is made, and one option of the worker.

    broker = ListQueueBroker(url, socket_timeout=None).with_middlewares(z4j_taskiq.Z4J())

    taskiq worker app:broker --receiver z4j_taskiq:Receiver

The line serves producers, workers and schedulers; `z4j_taskiq.install(broker)` is the same. The option alone serves a
worker too, and is what lets a worker grow and shrink. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from taskiq import AsyncBroker, TaskiqMiddleware

from z4j_taskiq.engine import TaskiqEngine
from z4j_taskiq.receiver import Receiver, attached

__all__ = ["Receiver", "TaskiqEngine", "Z4J", "install"]


def install(broker: AsyncBroker) -> bool:
    """Report what this broker sends and runs. False when no brain is configured. Opens no connection by itself."""
    return attached(broker).host is not None


class Z4J(TaskiqMiddleware):
    """`broker.with_middlewares(Z4J())` is `install(broker)` in the place where middlewares are listed."""

    def set_broker(self, broker: AsyncBroker) -> None:
        super().set_broker(broker)
        install(broker)
