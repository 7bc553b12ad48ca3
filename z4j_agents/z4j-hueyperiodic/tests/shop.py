"""The Huey instance of the tests: real periodic tasks, sent and run by a real consumer.

Its scheduler is Huey's own with Huey's own setting for how often it looks: each second instead of each minute, so that
tests do not take an hour.
"""

from __future__ import annotations

import os
from pathlib import Path

from huey import RedisHuey, crontab
from huey.consumer import Consumer, Scheduler
from z4j_core.testing.recording import RecordingHost
from z4j_hueyperiodic import HueyPeriodic

FOLDER = Path(os.environ["SHOP_FOLDER"])


class Hasty(Scheduler):
    periodic_task_seconds = 1


class HastyConsumer(Consumer):
    scheduler_class = Hasty


class ShopHuey(RedisHuey):
    def create_consumer(self, **options):
        return HastyConsumer(self, **options)


huey = ShopHuey("orders", url=os.environ["SHOP_REDIS"])


def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")


@huey.periodic_task(lambda moment: True)
def often():
    count("shop.often")


@huey.periodic_task(crontab(minute="0", hour="5", day="29", month="2"))
def rarely():
    count("shop.rarely")


@huey.periodic_task(crontab(minute="*/20", hour="8-17", day="13", day_of_week="5"))
def friday():
    count("shop.friday")


@huey.periodic_task(crontab(minute="0", hour="6", day="29", month="2"))
def spare():
    """For the test that takes one away for good."""


@huey.task()
def note(name, password=None):
    count(name)


if "SHOP_MODE" in os.environ:
    adapter = HueyPeriodic()
    adapter.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], adapter))
