"""What the shop's warehouse does by the clock, on Huey. Nothing in the tasks knows of z4j."""

from __future__ import annotations

import os
import random
import time
from datetime import datetime

import z4j_huey
from huey import RedisHuey, crontab

huey = RedisHuey("rounds", url=os.environ["DEMO_REDIS"])
z4j_huey.attach(huey)


def is_quiet_hour(moment: datetime) -> bool:
    """Only the warehouse knows."""
    return moment.minute % 2 == 0 and moment.hour not in range(12, 14)


@huey.periodic_task(crontab())
def read_thermometers() -> float:
    time.sleep(random.uniform(0.1, 0.6))
    return round(random.uniform(2, 8), 1)


@huey.periodic_task(is_quiet_hour, retries=1, retry_delay=5)
def sweep_aisle() -> str:
    """The robot gets stuck now and then."""
    if random.random() < 0.3:
        raise TimeoutError("the robot is stuck")
    return "swept"


@huey.periodic_task(crontab(minute="0", hour="5", day_of_week="1-5"))
def take_stock() -> int:
    time.sleep(random.uniform(1, 4))
    return random.randint(4000, 5000)
