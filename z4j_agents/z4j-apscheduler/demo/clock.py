"""The clock on the shop's wall, on APScheduler: what it strikes it does itself. One line knows of z4j."""

from __future__ import annotations

import random
import time

import z4j_apscheduler
from apscheduler.schedulers.blocking import BlockingScheduler

scheduler = BlockingScheduler(timezone="Europe/Amsterdam")
z4j_apscheduler.attach(scheduler)


class LampBroken(Exception):
    """Nobody has changed the bulb."""


@scheduler.scheduled_job("interval", seconds=15, id="water-plants")
def water_plants() -> str:
    time.sleep(random.uniform(0.2, 1.5))
    return "watered"


@scheduler.scheduled_job("cron", second="*/20", id="switch-lamps", kwargs={"window": "left"})
def switch_lamps(window: str) -> None:
    """Every third time a lamp is broken."""
    if random.random() < 0.3:
        raise LampBroken(f"the lamp in the {window} window is dark")


@scheduler.scheduled_job("cron", hour=18, minute=30, day_of_week="mon-sat", id="close-shop")
def close_shop() -> None:
    time.sleep(2)


if __name__ == "__main__":
    scheduler.start()
