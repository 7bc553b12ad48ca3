"""The tasks of the tests, their broker, and a scheduler over a list in Redis and the labels of the tasks."""

from __future__ import annotations

import os

from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource

REDIS = os.environ["SHOP_REDIS"]

broker = ListQueueBroker(REDIS, queue_name="orders")
kept = ListRedisScheduleSource(REDIS, prefix="plans")
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker), kept])


@broker.task(task_name="often", schedule=[{"interval": 1, "kwargs": {"password": os.environ["SHOP_CANARY"]}}])
async def often(*, password: str) -> None:
    """In the code, without an id."""


@broker.task(task_name="rarely", schedule=[{"cron": "30 3 1 1 *", "schedule_id": "new-year"}])
async def rarely() -> None:
    """In the code, with an id."""


@broker.task(task_name="twice", schedule=[{"cron": "0 3 * * *", "cron_offset": "Europe/Paris"}, {"cron": "0 4 * * *"}])
async def twice() -> None:
    """Two of one task."""


@broker.task(task_name="count")
async def count(number: int = 0, *, password: str = "") -> None:
    """For schedules that are made while it runs."""
