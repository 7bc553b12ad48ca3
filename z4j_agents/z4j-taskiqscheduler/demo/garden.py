"""The shop's garden, on taskiq's scheduler: watering, mowing, the harvest. Nothing in the tasks knows of z4j."""

from __future__ import annotations

import asyncio
import os
import random

import z4j_taskiq
from taskiq import ScheduledTask, TaskiqEvents, TaskiqScheduler, TaskiqState
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource

REDIS = os.environ["DEMO_REDIS"]

broker = ListQueueBroker(REDIS, queue_name="garden", socket_timeout=None).with_middlewares(z4j_taskiq.Z4J())
plans = ListRedisScheduleSource(REDIS)
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker), plans])


class HoseKinked(Exception):
    """No water comes."""


@broker.task(task_name="garden.water", schedule=[{"interval": 20, "args": ["roses"], "schedule_id": "water the roses"}])
async def water(what: str) -> str:
    await asyncio.sleep(random.uniform(0.5, 3))
    if random.random() < 0.2:
        raise HoseKinked(f"no water for the {what}")
    return f"the {what} are wet"


@broker.task(task_name="garden.mow", schedule=[{"cron": "30 7 * * mon", "cron_offset": "Europe/Berlin"}])
async def mow() -> str:
    await asyncio.sleep(4)
    return "mown"


@broker.on_event(TaskiqEvents.CLIENT_STARTUP)
async def plan(state: TaskiqState) -> None:
    """As an application makes schedules while it runs; those that are there already stay as they are."""
    known = {one.schedule_id for one in await plans.get_schedules()}
    given = {"task_name": "garden.water", "labels": {}, "kwargs": {}}
    for key, what, when in (
        ("water the herbs", "herbs", {"interval": 30}),
        ("water the tomatoes", "tomatoes", {"cron": "* * * * *"}),
    ):
        if key not in known:
            await plans.add_schedule(ScheduledTask(**given, schedule_id=key, args=[what], **when))
