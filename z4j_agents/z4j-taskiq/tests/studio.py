"""An application that knows nothing of z4j, unless STUDIO_LINE says that it has our line."""

from __future__ import annotations

import os

from taskiq import SmartRetryMiddleware
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["STUDIO_REDIS"], queue_name="studio", socket_timeout=None)
broker = broker.with_middlewares(SmartRetryMiddleware(default_retry_count=2, default_delay=0.1))

if os.environ.get("STUDIO_LINE"):
    import z4j_taskiq

    broker = broker.with_middlewares(z4j_taskiq.Z4J())


@broker.task
async def ok(number):
    return number


@broker.task
async def fail(number):
    raise ValueError(number)


@broker.task(retry_on_error=True)
async def flaky(number):
    raise KeyError(number)
