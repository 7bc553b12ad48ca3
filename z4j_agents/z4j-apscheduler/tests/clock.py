"""The scheduler of the tests, in a process of its own: jobs that write down that they ran."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from z4j_apscheduler import APScheduler
from z4j_core.testing.recording import RecordingHost

FOLDER = Path(os.environ["CLOCK_FOLDER"])


def count(name, password=""):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


def fail(password):
    raise ValueError(f"cannot take password={password}")


def hold(name):
    """Runs until the file `name` is there."""
    while not (FOLDER / name).exists():
        time.sleep(0.02)


def main():
    stores = {}
    if os.environ.get("CLOCK_STORE"):
        stores["default"] = SQLAlchemyJobStore(url=os.environ["CLOCK_STORE"])
    scheduler = BackgroundScheduler(jobstores=stores, timezone="UTC")
    adapter = APScheduler(scheduler, [count])
    adapter.install(RecordingHost(FOLDER, "redact", adapter))
    often = {"args": ["often"], "kwargs": {"password": os.environ["CLOCK_PASSWORD"]}}
    scheduler.add_job(count, "interval", seconds=1, id="often", replace_existing=True, **often)
    scheduler.add_job(count, "cron", hour=3, day=1, month=1, args=["rarely"], id="rarely", replace_existing=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    scheduler.start()
    ended.wait()
    scheduler.shutdown()


if __name__ == "__main__":
    main()
