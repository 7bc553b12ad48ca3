"""An application as people write it, with the one line of z4j-taskiq."""

from __future__ import annotations

import os

import z4j_taskiq
from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource

REDIS = os.environ["SHOP_REDIS"]

broker = ListQueueBroker(REDIS, queue_name="plain").with_middlewares(z4j_taskiq.Z4J())
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker), ListRedisScheduleSource(REDIS)])


@broker.task(task_name="tick", schedule=[{"interval": 1}])
async def tick() -> str:
    return "tock"


@broker.task(task_name="close_books", schedule=[{"cron": "0 3 * * *", "schedule_id": "books"}])
async def close_books() -> str:
    return "closed"
