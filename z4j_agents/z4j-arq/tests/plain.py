"""An application as people write it, with the two lines of the adapter: a worker's settings, and a producer."""

from __future__ import annotations

import asyncio
import os
import sys

import shop
import z4j_arq
from arq.connections import RedisSettings, create_pool

REDIS = RedisSettings.from_dsn(os.environ["SHOP_REDIS"])


@z4j_arq.instrument
class WorkerSettings:
    functions = [shop.ok, shop.fail, shop.block]
    redis_settings = REDIS
    queue_name = "plain"
    poll_delay = 0.1


async def send(name: str, count: int) -> None:
    pool = z4j_arq.observe(await create_pool(REDIS, default_queue_name="plain"))
    for number in range(count):
        await pool.enqueue_job("ok", number, _job_id=f"{name}-{number}")
    await pool.connection_pool.disconnect()


if __name__ == "__main__":
    asyncio.run(send(sys.argv[1], int(sys.argv[2])))
