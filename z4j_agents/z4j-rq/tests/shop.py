"""The jobs of the tests, and the worker that runs them with an adapter whose host records."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import z4j_rq
from rq import Retry
from z4j_core import idempotent
from z4j_core.testing.recording import RecordingHost

FOLDER = Path(os.environ["SHOP_FOLDER"])


class Worker(z4j_rq.Worker):
    def z4j_attach(self):
        self.z4j.install(RecordingHost(FOLDER, os.environ.get("SHOP_MODE", "redact"), self.z4j))


@idempotent
def ok(x):
    return x


def fail(x):
    raise ValueError(f"cannot take {x}")


def flaky(times):
    path = FOLDER / f"flaky-{os.environ['RQ_JOB_ID']}"
    tries = len(path.read_text()) if path.exists() else 0
    if tries < times:
        path.write_text("x" * (tries + 1))
        raise KeyError("not yet")
    return tries


def slow(seconds):
    time.sleep(seconds)


def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def login(user, password):
    raise PermissionError(f"{user} may not enter with password={password}")


def count(name):
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")
    return name


class Trap:
    """An argument that tells which process opened it."""

    def __reduce__(self):
        return opened, ()


def opened():
    with (FOLDER / "opened").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return Trap()


def take(trap):
    return trap


def drop(trap):
    raise ValueError("dropped")


def chatter():
    raise ValueError("cannot\nPermissionDenied: token=hunter2")


def again():
    return Retry(max=2)
