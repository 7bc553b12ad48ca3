"""The shop's shipping office, on arq: labels, couriers, tracking. Nothing in the jobs knows of z4j."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import z4j_arq
from arq import Retry
from arq.connections import RedisSettings, create_pool

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = RedisSettings.from_dsn(os.environ["DEMO_REDIS"])
QUEUE = "shipping"


class CourierBusy(Exception):
    """No courier is free just now. One is the next time somebody asks."""


async def print_label(ctx: dict[str, Any], parcel: str, *, grams: int) -> str:
    await asyncio.sleep(random.uniform(0.1, 0.6))
    return f"{parcel}, {grams} g"


async def book_courier(ctx: dict[str, Any], parcel: str) -> str:
    """Every parcel finds the couriers busy once."""
    seen = FOLDER / f"courier-{parcel}"
    if not seen.exists():
        seen.touch()
        raise CourierBusy(f"nobody is free for {parcel}")
    return "tomorrow at nine"


async def track_parcel(ctx: dict[str, Any], parcel: str) -> str:
    """The carrier's page answers at the second or third attempt."""
    if ctx["job_try"] < random.randint(2, 3):
        raise Retry(defer=3) from TimeoutError("the carrier does not answer")
    return "on its way"


async def follow_van(ctx: dict[str, Any], van: str, stops: int) -> str:
    for _ in range(stops * 10):
        await asyncio.sleep(0.1)
    return f"{van} made {stops} stops"


@z4j_arq.instrument
class WorkerSettings:
    functions = [print_label, book_courier, track_parcel, follow_van]
    redis_settings = REDIS
    queue_name = QUEUE
    max_jobs = 4
    job_timeout = 60
    job_completion_wait = 3
    allow_abort_jobs = True


async def main() -> None:
    pool = z4j_arq.observe(await create_pool(REDIS, default_queue_name=QUEUE))
    for number in range(10**9):
        parcel = f"parcel-{number}"
        await pool.enqueue_job("print_label", parcel, grams=random.randint(50, 9000))
        if number % 5 == 1:
            await pool.enqueue_job("book_courier", parcel)
        if number % 4 == 2:
            await pool.enqueue_job("track_parcel", parcel)
        if number % 11 == 3:
            await pool.enqueue_job("follow_van", f"van {number % 7}", random.randint(10, 25))
        if number % 9 == 4:
            await pool.enqueue_job("print_label", parcel, grams=100, _defer_by=60)
        await asyncio.sleep(random.uniform(2, 4))


if __name__ == "__main__":
    asyncio.run(main())
