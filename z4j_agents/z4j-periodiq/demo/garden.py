"""The garden's work, on Dramatiq with periodiq. Nothing here knows of z4j."""

from __future__ import annotations

import os
import random
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from periodiq import PeriodiqMiddleware, cron

broker = RedisBroker(url=os.environ["DEMO_REDIS"])
broker.add_middleware(PeriodiqMiddleware(skip_delay=30))
dramatiq.set_broker(broker)


class SlugFound(Exception):
    """Somebody has to carry it away."""


@dramatiq.actor(queue_name="beds", periodic=cron("* * * * *"))
def water_beds() -> None:
    time.sleep(random.uniform(0.5, 3))


@dramatiq.actor(queue_name="beds", max_retries=0, periodic=cron("*/2 * * * *"))
def look_for_slugs() -> None:
    if random.random() < 0.5:
        raise SlugFound("in the lettuce")


@dramatiq.actor(queue_name="beds", periodic=cron("0 7 1 3 *"))
def sow() -> None:
    time.sleep(5)
