"""An application that knows nothing of z4j, unless STUDIO_LINE says that it has our line."""

from __future__ import annotations

import os

import taskiq
from taskiq_redis import ListQueueBroker

#: Older releases have only the other one.
Retries = getattr(taskiq, "SmartRetryMiddleware", taskiq.SimpleRetryMiddleware)

broker = ListQueueBroker(os.environ["STUDIO_REDIS"], queue_name="studio", socket_timeout=None)
broker = broker.with_middlewares(Retries(default_retry_count=2))

if os.environ.get("STUDIO_LINE"):
    import z4j_taskiq

    broker = broker.with_middlewares(z4j_taskiq.Z4J())


@broker.task
async def ok(number):
    return number


@broker.task
async def fail(number):
    raise ValueError(number)


@broker.task(retry_on_error=True, delay=0.1)
async def flaky(number):
    raise KeyError(number)
