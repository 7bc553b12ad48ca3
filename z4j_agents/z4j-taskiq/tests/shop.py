"""The broker of the tests: real tasks, run by a real worker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Annotated

from taskiq import Context, SimpleRetryMiddleware, TaskiqDepends
from taskiq.exceptions import NoResultError
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker
from z4j_core import idempotent

FOLDER = Path(os.environ["SHOP_FOLDER"])
REDIS = os.environ["SHOP_REDIS"]

if os.environ["SHOP_BROKER"] == "stream":
    broker = RedisStreamBroker(
        REDIS, queue_name="orders", consumer_id="0", xread_count=1, xread_block=500, socket_timeout=None
    )
else:
    broker = ListQueueBroker(REDIS, queue_name="orders", socket_timeout=None)
broker = broker.with_result_backend(RedisAsyncResultBackend(REDIS, result_ex_time=600))
broker = broker.with_middlewares(SimpleRetryMiddleware(default_retry_count=3))


@broker.task
@idempotent
async def ok(x):
    return x


@broker.task
async def fail(x):
    raise ValueError(f"cannot take {x}")


@broker.task(retry_on_error=True, max_retries=3)
async def flaky(times, context: Annotated[Context, TaskiqDepends()]):
    if int(context.message.labels.get("_retries", 0)) < times:
        raise KeyError("not yet")


@broker.task
async def slow(seconds):
    await asyncio.sleep(seconds)


@broker.task
async def hold(name):
    while not (FOLDER / name).exists():
        await asyncio.sleep(0.05)


@broker.task(retry_on_error=True, max_retries=3)
async def stubborn(name):
    """Whoever cancels it makes it fail, and then it would be tried again."""
    await count.original_func(name)
    await asyncio.sleep(60)


@broker.task
def blocking(gate, name):
    while not (FOLDER / gate).exists():
        time.sleep(0.05)
    (FOLDER / name).write_text("it ran on")


@broker.task(timeout=1)
async def too_long():
    await asyncio.sleep(60)


@broker.task
async def once_more(context: Annotated[Context, TaskiqDepends()]):
    if int(context.message.labels.get("X-Taskiq-requeue", 0)) < 2:
        await context.requeue()


@broker.task
async def reject(context: Annotated[Context, TaskiqDepends()]):
    context.reject()


@broker.task
async def silent():
    raise NoResultError


@broker.task
async def die():
    os.kill(os.getpid(), signal.SIGKILL)


@broker.task
async def login(user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


@broker.task
async def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


if "SHOP_MODE" in os.environ:
    from z4j_core.testing.recording import RecordingHost
    from z4j_taskiq import TaskiqEngine

    engine = TaskiqEngine(broker)
    engine.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], engine))
