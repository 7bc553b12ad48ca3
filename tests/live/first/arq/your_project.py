"""A project on arq, as it was before z4j, and the place where its line goes."""

from __future__ import annotations

import asyncio
import os

from arq import create_pool
from arq.connections import RedisSettings


async def letter(ctx, to):
    return to


class WorkerSettings:
    functions = (letter,)
    redis_settings = RedisSettings.from_dsn(os.environ["BROKER"])


# below the settings of your worker


async def _send():
    pool = await create_pool(RedisSettings.from_dsn(os.environ["BROKER"]))
    await pool.enqueue_job("letter", "ann")
    await pool.aclose()


def send():
    asyncio.run(_send())
