"""The broker and the actors of the tests: real messages, run by real worker processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from z4j_core import idempotent

FOLDER = Path(os.environ["SHOP_FOLDER"])
BROKER = os.environ["SHOP_BROKER"]

broker = RedisBroker(url=BROKER) if BROKER.startswith("redis") else RabbitmqBroker(url=BROKER)
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["SHOP_RESULTS"])))
dramatiq.set_broker(broker)


@idempotent
@dramatiq.actor(queue_name="orders", max_retries=0, store_results=True)
def ok(x):
    return x


@dramatiq.actor(queue_name="orders", max_retries=0)
def fail(x):
    raise ValueError(f"cannot take {x}")


@dramatiq.actor(queue_name="orders", max_retries=2, min_backoff=900, max_backoff=1000)
def flaky(name, times):
    path = FOLDER / f"flaky-{name}"
    tries = len(path.read_text()) if path.exists() else 0
    if tries < times:
        path.write_text("x" * (tries + 1))
        raise KeyError("not yet")
    return tries


@dramatiq.actor(queue_name="orders", max_retries=0)
def slow(seconds):
    # In steps: an exception raised from outside arrives between two of them.
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)


@dramatiq.actor(queue_name="orders", max_retries=0)
def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@dramatiq.actor(queue_name="orders", max_retries=0)
def nap(number):
    time.sleep(0.15)


@dramatiq.actor(queue_name="orders", max_retries=0)
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(queue_name="orders", max_retries=0)
def login(user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


@dramatiq.actor(queue_name="orders", max_retries=0)
def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


if "SHOP_MODE" in os.environ:
    from z4j_core.testing.recording import RecordingHost
    from z4j_dramatiq import DramatiqEngine

    engine = DramatiqEngine(broker)
    engine.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], engine))
