"""The greenhouse's work. One line knows of z4j."""

from __future__ import annotations

import random
import time

import dramatiq
import z4j_periodiq.crontab
from dramatiq_crontab import cron, interval
from garden import broker

z4j_periodiq.crontab.install()


@interval(seconds=20)
@dramatiq.actor(queue_name="greenhouse", broker=broker)
def read_thermometer() -> None:
    time.sleep(random.uniform(0.1, 0.4))


@cron("* * * * *")
@dramatiq.actor(queue_name="greenhouse", broker=broker)
def open_window() -> None:
    time.sleep(1)


@cron("0 21 * * Mon-Sat")
@dramatiq.actor(queue_name="greenhouse", broker=broker)
def switch_heating() -> None:
    time.sleep(2)
