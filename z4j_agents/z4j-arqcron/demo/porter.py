"""The shop's night porter, on arq's cron: rounds, lights, the weekly inventory. Nothing in the jobs knows of z4j."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import z4j_arq
from arq import cron
from arq.connections import RedisSettings


class DoorOpen(Exception):
    """Somebody has left a door open."""


async def go_round(ctx: dict[str, Any]) -> str:
    await asyncio.sleep(random.uniform(0.5, 3))
    if random.random() < 0.2:
        raise DoorOpen("the back door stands open")
    return "all is quiet"


async def switch_lights(ctx: dict[str, Any]) -> str:
    return "switched"


async def take_inventory(ctx: dict[str, Any]) -> str:
    await asyncio.sleep(5)
    return f"{random.randint(900, 1100)} things"


async def write_report(ctx: dict[str, Any]) -> str:
    """No cron job calls it: one may be made that does."""
    return "written"


@z4j_arq.instrument
class WorkerSettings:
    functions = [write_report]
    cron_jobs = [
        cron(go_round, second={0, 15, 30, 45}),
        cron(switch_lights, second=10),
        cron(take_inventory, weekday="sun", hour=4, minute=30),
    ]
    redis_settings = RedisSettings.from_dsn(os.environ["DEMO_REDIS"])
    queue_name = "porter"
    max_jobs = 4
