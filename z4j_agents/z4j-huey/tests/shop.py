"""The Huey instance of the tests: real tasks, run by a real consumer."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from huey import RedisHuey, SqliteHuey
from z4j_core import idempotent

FOLDER = Path(os.environ["SHOP_FOLDER"])
REDIS = os.environ.get("SHOP_REDIS")

huey = RedisHuey("orders", url=REDIS) if REDIS else SqliteHuey("orders", filename=str(FOLDER / "huey.db"))


@idempotent
@huey.task()
def ok(x):
    return x


@huey.task()
def fail(x):
    raise ValueError(f"cannot take {x}")


@huey.task(retries=2, retry_delay=1, context=True)
def flaky(times, task=None):
    if 2 - task.retries < times:
        raise KeyError("not yet")
    return task.retries


@huey.task()
def slow(seconds):
    # In steps: an exception raised from outside arrives between two of them.
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)


@huey.task()
def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


@huey.task()
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@huey.task()
def login(user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


@huey.task()
def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


if "SHOP_MODE" in os.environ:
    from z4j_core.testing.recording import RecordingHost
    from z4j_huey import HueyEngine

    engine = HueyEngine(huey)
    engine.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], engine))
