"""The jobs of the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from arq import Retry
from z4j_core import idempotent

FOLDER = Path(os.environ["SHOP_FOLDER"])


@idempotent
async def ok(ctx, x):
    return x


async def fail(ctx, x):
    raise ValueError(f"cannot take {x}")


async def flaky(ctx, times):
    path = FOLDER / f"flaky-{ctx['job_id']}"
    tries = len(path.read_text()) if path.exists() else 0
    if tries < times:
        path.write_text("x" * (tries + 1))
        raise Retry(defer=1) from KeyError("not yet")
    return tries


async def slow(ctx, seconds):
    await asyncio.sleep(seconds)


async def hold(ctx, name):
    while not (FOLDER / name).exists():
        await asyncio.sleep(0.05)


async def block(ctx, name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)  # noqa: ASYNC251 - what must not be done


async def die(ctx):
    os.kill(os.getpid(), signal.SIGKILL)


async def login(ctx, user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


async def count(ctx, name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


async def order(ctx, name):
    """Enqueues another job."""
    job = await ctx["redis"].enqueue_job("count", name)
    return job.job_id


async def tick(ctx):
    return "tock"
