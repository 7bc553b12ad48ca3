"""A process with a scheduler of APScheduler, in memory or over a job store: all real, gone at the end."""

from __future__ import annotations

import sys
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler
from z4j_apscheduler import APScheduler
from z4j_core.testing.recording import Records
from z4j_core.testing.schedulers import CANARY
from z4j_core.testing.working import Working

HERE = Path(__file__).parent


class ClockRig(Working):
    here, role = HERE, "scheduler"
    often, rarely = "often", "rarely"
    period, settles = 1.0, 1.0

    def __init__(self, folder: Path, *, stored: bool = False) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._stored = stored
        self._idle = BackgroundScheduler()

    def __enter__(self) -> ClockRig:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self):
        return [sys.executable, "clock.py"]

    def settings(self):
        store = f"sqlite:///{self.folder}/jobs.db" if self._stored else ""
        return {"CLOCK_FOLDER": str(self.folder), "CLOCK_PASSWORD": CANARY, "CLOCK_STORE": store}

    def scheduler(self):
        return APScheduler(self._idle)

    def fired(self, key):
        name = "made" if key not in (self.often, self.rarely) else key
        path = self.folder / name
        return path.read_text().count("\n") if path.exists() else 0

    def soon(self):
        return {"every": 1_000_000}

    def creation(self):
        return {"task": "__main__:count", "args": ["made"], **self.soon()}

    def fingerprint(self):
        return list(self._idle._listeners), self._idle.get_jobs()
