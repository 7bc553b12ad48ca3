"""An application as people write it, with the one line of z4j-arq."""

from __future__ import annotations

import os

import z4j_arq
from arq import cron
from arq.connections import RedisSettings


async def tick(ctx):
    return "tock"


async def close_books(ctx):
    return "closed"


@z4j_arq.instrument
class WorkerSettings:
    cron_jobs = [cron(tick, second=None, run_at_startup=True), cron(close_books, hour=3, minute=0)]
    redis_settings = RedisSettings.from_dsn(os.environ["SHOP_REDIS"])
    queue_name = "plain"
    poll_delay = 0.1
