"""The Celery app of the canary test: its tasks are full of secrets, each with a canary in it.

What our own code logs goes to a file of its own, at every level: Celery itself logs arguments and results as it likes.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import z4j_celery
from celery import Celery, signals

FOLDER = Path(os.environ["SHOP_FOLDER"])
SECRET = os.environ["SHOP_SECRET"]

app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.broker_connection_retry_on_startup = True


@signals.setup_logging.connect
def log_what_z4j_says(**_: Any) -> None:
    handler = logging.FileHandler(FOLDER / "z4j.log")
    for name in ("z4j_core", "z4j_bare", "z4j_celery"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)


@app.task(name="shop.login")
def login(user: str, password: str, **options: Any) -> dict[str, Any]:
    """What it was given stands in a file that nobody but the test reads: it did arrive."""
    with (FOLDER / "seen").open("a") as file:
        file.write(f"{user} {password}\n")
    return {"user": user, "access_token": password, "seen": [("session_id", password)]}


@app.task(name="shop.pay", bind=True, max_retries=1, default_retry_delay=0)
def pay(self: Any, order: str, card_number: str) -> None:
    try:
        raise KeyError("password", card_number)
    except KeyError as error:
        if not self.request.retries:
            raise self.retry(exc=ConnectionError(f"postgres://shop:{card_number}@db/orders is away")) from error
        raise RuntimeError(f"{order} was refused: token={card_number}") from error


def send() -> None:
    """As a producer that has the adapter installed."""
    z4j_celery.install()
    options = {"api_key": SECRET, "login": {"db_password": SECRET}, "fields": [{"name": "otp", "value": SECRET}]}
    headers = {"x-auth-token": SECRET}
    login.apply_async(("order-4711", SECRET), options, headers=headers)
    pay.apply_async(("order-4711", SECRET), headers=headers)
    app.send_task("shop.unknown", (SECRET,), {"password": SECRET}, headers=headers)
