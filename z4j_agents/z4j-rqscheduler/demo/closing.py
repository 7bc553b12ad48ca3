"""What the shop's accounts do by the clock, on RQ's three schedulers. Nothing in the jobs knows of z4j."""

from __future__ import annotations

import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta

from redis import Redis
from rq import Queue
from rq.repeat import Repeat
from rq_scheduler import Scheduler

REDIS = os.environ["DEMO_REDIS"]


def count_till(shop: str) -> int:
    time.sleep(random.uniform(0.1, 0.4))
    return random.randint(100, 900)


def close_day(shop: str, *, currency: str = "EUR") -> str:
    """The bank hangs up now and then."""
    if random.random() < 0.2:
        raise ConnectionError("the bank hung up")
    return f"{shop}: {random.randint(1000, 9000)} {currency}"


def remind_debtors(letters: int) -> int:
    time.sleep(random.uniform(0.2, 2))
    return letters


def fetch_rates() -> float:
    return round(random.uniform(0.9, 1.2), 4)


def work() -> None:
    """A worker, with jobs that repeat and one that waits for its time."""
    queue = Queue("closing", connection=Redis.from_url(REDIS))
    repeat = Repeat(times=100_000, interval=15)
    queue.enqueue_in(timedelta(seconds=5), "closing.fetch_rates", job_id="exchange-rates", repeat=repeat)
    later = datetime.now(UTC) + timedelta(minutes=30)
    queue.enqueue_at(later, "closing.remind_debtors", 12, job_id="first-reminders")
    os.environ["RQ_WORKER_CLASS"] = "z4j_rq.Worker"
    become("rq.cli", "worker", "--with-scheduler", "--url", REDIS, "closing")


def cron() -> None:
    """RQ's own, with the configuration in tills.py."""
    become("rq.cli", "cron", "--url", REDIS, "tills")


def library() -> None:
    """rq-scheduler. A program that starts again finds its schedules where it left them."""
    scheduler = Scheduler("closing", connection=Redis.from_url(REDIS))
    now = datetime.now(UTC)
    if "close-bergen" not in scheduler:
        scheduler.schedule(now, "closing.close_day", ["Bergen"], {"currency": "NOK"}, interval=20, id="close-bergen")
        scheduler.cron("* * * * *", "closing.close_day", ["Porto"], id="close-porto")
        scheduler.cron("30 6 * * 1-5", "closing.remind_debtors", [40], id="reminders")
    become("z4j_rqscheduler", "--url", REDIS, "--interval", "2")


def become(module: str, *words: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, *words])


if __name__ == "__main__":
    {"worker": work, "cron": cron, "library": library}[sys.argv[1]]()
