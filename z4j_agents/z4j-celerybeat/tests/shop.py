"""The Celery app of the tests, and what its beat is to send."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import Celery
from celery.schedules import crontab

FOLDER = Path(os.environ["SHOP_FOLDER"])
#: Its part is the canary of the suite.
PASSWORD = "open-canary-4b7e21-sesame"
_FAR = datetime.now(UTC) + timedelta(days=100)
RARELY = crontab(minute="30", hour="3", day_of_month=str(min(_FAR.day, 28)), month_of_year=str(_FAR.month))

app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.update(
    task_default_queue="orders",
    broker_connection_retry_on_startup=True,
    timezone="Europe/Berlin",
    beat_max_loop_interval=0.2,
    beat_sync_every=1,
    beat_enable_remote_control=False,
    beat_schedule={
        "often": {"task": "shop.note", "schedule": 1.0, "args": ("often",), "kwargs": {"password": PASSWORD}},
        "rarely": {"task": "shop.note", "schedule": RARELY, "args": ("rarely",)},
        "weekdays": {"task": "shop.gone", "schedule": crontab("0", "22-2/2", day_of_week="mon-fri"), "args": ()},
        "both": {"task": "shop.note", "schedule": crontab("0", "3", "1", day_of_month="13", month_of_year="1")},
    },
)
app.conf.update(json.loads(os.environ.get("SHOP_SETTINGS", "{}")))


@app.task(name="shop.note")
def note(key, password=""):
    with (FOLDER / "noted").open("a") as file:
        file.write(f"{key}\n")
