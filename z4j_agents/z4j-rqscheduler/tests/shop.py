"""What the tests' schedules send."""

from __future__ import annotations

import os
import time
from pathlib import Path

import rq
from z4j_core.testing.recording import RecordingHost
from z4j_rqscheduler.registered import RQScheduled

FOLDER = Path(os.environ["SHOP_FOLDER"])


def note(name, password=None):
    """Who ran it can be counted."""
    with (FOLDER / name).open("a") as file:
        file.write("ran\n")


def fail():
    raise ValueError("not today")


def hold(name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)


def unknown():
    """Scheduled by nobody."""


class Worker(rq.Worker):
    """RQ's, with an adapter that records."""

    def register_birth(self):
        super().register_birth()
        adapter = RQScheduled()
        adapter.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], adapter))
        adapter.host.role("worker", self.name)
