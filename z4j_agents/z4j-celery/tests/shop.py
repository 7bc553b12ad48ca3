"""The Celery app of the tests: real tasks, run by a real worker."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from celery import Celery
from celery.exceptions import Ignore, Reject
from z4j_core import idempotent

FOLDER = Path(os.environ["SHOP_FOLDER"])

app = Celery("shop", broker=os.environ["SHOP_BROKER"], backend=os.environ.get("SHOP_BACKEND"))
app.conf.update(
    task_default_queue="orders",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"queue_order_strategy": "priority"},
    task_send_sent_event=False,
    beat_schedule={"tick": {"task": "shop.ok", "schedule": 1.0, "args": (1,)}},
    worker_pool_restarts=True,
)
app.conf.update(json.loads(os.environ.get("SHOP_SETTINGS", "{}")))


@idempotent
@app.task(name="shop.ok")
def ok(x):
    return x


@app.task(name="shop.fail")
def fail(x):
    raise ValueError(f"cannot take {x}")


@app.task(name="shop.flaky", bind=True, max_retries=2, default_retry_delay=1)
def flaky(self, times):
    if self.request.retries < times:
        raise self.retry(exc=KeyError("not yet"))
    return self.request.retries


@app.task(name="shop.slow")
def slow(seconds):
    time.sleep(seconds)


@app.task(name="shop.hold")
def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@app.task(name="shop.die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.login", bind=True)
def login(self, user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


@app.task(name="shop.count")
def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


@app.task(name="shop.overtime", time_limit=1)
def overtime():
    time.sleep(30)


@app.task(name="shop.soft", soft_time_limit=1)
def soft():
    time.sleep(30)


@app.task(name="shop.reject")
def reject():
    raise Reject("not today", requeue=False)


@app.task(name="shop.ignore")
def ignore():
    raise Ignore


@app.task(name="shop.whoami")
def whoami(name):
    with (FOLDER / name).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.3)


@app.task(name="shop.late", acks_late=True)
def late(seconds):
    time.sleep(seconds)


@app.task(name="shop.hold_late", acks_late=True)
def hold_late(name):
    hold(name)
