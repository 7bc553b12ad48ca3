"""The shop's depot: what is done by the clock. Nothing in here knows of z4j."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from celery import Celery
from celery.schedules import crontab

FOLDER = Path(os.environ["DEMO_FOLDER"])

app = Celery("depot", broker=os.environ["DEMO_REDIS"])
app.conf.update(
    task_default_queue="depot",
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    beat_schedule_filename=str(FOLDER / "beat-schedule"),
    beat_schedule={
        "count-vans": {"task": "depot.count_vans", "schedule": 20.0, "args": ("north gate",)},
        "check-cold-store": {"task": "depot.check_cold_store", "schedule": crontab(), "kwargs": {"limit": 7}},
        "print-route-sheets": {"task": "depot.print_route_sheets", "schedule": crontab(minute="30", hour="5")},
    },
)


class TooWarm(Exception):
    """Somebody left the door open."""


@app.task(name="depot.count_vans")
def count_vans(gate: str) -> int:
    time.sleep(random.uniform(0.1, 0.8))
    return random.randint(2, 14)


@app.task(name="depot.check_cold_store")
def check_cold_store(*, limit: int) -> float:
    """Every fifth time or so the door was left open."""
    found = random.choice((3.5, 4.0, 4.5, 5.0, 9.5))
    time.sleep(random.uniform(0.1, 0.5))
    if found > limit:
        raise TooWarm(f"{found} degrees in the cold store")
    return found


@app.task(name="depot.print_route_sheets")
def print_route_sheets() -> int:
    time.sleep(2)
    return 24


@app.task(name="depot.water_plants")
def water_plants(bed: str) -> str:
    time.sleep(random.uniform(0.2, 1.5))
    return f"{bed} was watered"
