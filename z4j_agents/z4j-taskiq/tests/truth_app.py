"""The broker and the tasks of tests/truth.py: a module of its own, so that worker and sender have one broker each."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import z4j_taskiq
from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = os.environ["DEMO_REDIS"]

broker = (
    ListQueueBroker(REDIS, queue_name="truth", socket_timeout=None)
    .with_result_backend(RedisAsyncResultBackend(REDIS, result_ex_time=3600))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=3), z4j_taskiq.Z4J())
)


@broker.task
async def ok(number):
    return number


@broker.task
async def fail(number):
    raise ValueError(number)


@broker.task(retry_on_error=True)
async def flaky(number):
    seen = FOLDER / f"flaky-{number}"
    if not seen.exists():
        seen.touch()
        raise KeyError(number)
    return number


@broker.task
async def slow(number):
    await asyncio.sleep(2)
    return number


KINDS = {"ok": ok, "fail": fail, "flaky": flaky, "slow": slow}
