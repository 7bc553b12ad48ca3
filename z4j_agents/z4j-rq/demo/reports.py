"""The shop's accounts, on RQ: reports, exports, and the bank's statements. Nothing in the jobs knows of z4j."""

from __future__ import annotations

import os
import random
import sys
import time
from datetime import timedelta
from pathlib import Path

import z4j_rq
from redis import Redis
from rq import Queue, Retry

FOLDER = Path(os.environ["DEMO_FOLDER"])
CITIES = ["Bergen", "Ghent", "Graz", "Porto", "Riga"]


class StatementMissing(Exception):
    """The bank has not put the statement there yet. It is there the next time somebody asks."""


def monthly_report(city: str, *, month: str) -> dict[str, object]:
    time.sleep(random.uniform(0.1, 0.6))
    return {"city": city, "month": month, "sales": random.randint(1000, 9000)}


def fetch_statement(account: str) -> str:
    """Every statement is missing once."""
    time.sleep(0.1)
    seen = FOLDER / f"statement-{account}"
    if not seen.exists():
        seen.touch()
        raise StatementMissing(f"no statement for {account} yet")
    return account


def export_ledger(rows: int) -> str:
    time.sleep(random.uniform(10, 25))
    return f"{rows} rows"


def check_vat(number: str) -> bool:
    """The office is closed at first; the second attempt gets through."""
    seen = FOLDER / f"vat-{number}"
    if not seen.exists():
        seen.touch()
        raise ConnectionError("the tax office is closed")
    return True


def work() -> None:
    os.environ["RQ_WORKER_CLASS"] = "z4j_rq.Worker"
    command = ["worker", "--with-scheduler", "--url", os.environ["DEMO_REDIS"], "accounts", "exports"]
    os.execv(sys.executable, [sys.executable, "-m", "rq.cli", *command])


def send() -> None:
    z4j_rq.install()
    connection = Redis.from_url(os.environ["DEMO_REDIS"])
    accounts, exports = Queue("accounts", connection=connection), Queue("exports", connection=connection)
    for number in range(10**9):
        city = random.choice(CITIES)
        accounts.enqueue("reports.monthly_report", city, month=f"2026-{number % 12 + 1:02d}")
        if number % 4 == 1:
            accounts.enqueue("reports.fetch_statement", f"{city}-{number}")
        if number % 9 == 2:
            accounts.enqueue("reports.check_vat", f"NL{number:08d}", retry=Retry(max=2, interval=3))
        if number % 12 == 3:
            exports.enqueue("reports.export_ledger", random.randint(100, 9000))
        if number % 10 == 4:
            accounts.enqueue_in(timedelta(seconds=60), "reports.monthly_report", city, month="2026-12")
        time.sleep(random.uniform(2, 4))


if __name__ == "__main__":
    work() if sys.argv[1] == "worker" else send()
