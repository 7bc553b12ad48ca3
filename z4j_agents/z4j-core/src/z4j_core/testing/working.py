"""The worker process of a rig: started and stopped as its owner would, restarted, killed, and gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from z4j_core.engine import Engine
from z4j_core.policy import Mode
from z4j_core.testing.recording import RecordingHost, Records, wait_for


class Working:
    """Mixed into a rig, which says how its worker is started (`command`) and how a task is sent (`send_unseen`).

    The worker's adapter records into `folder`, with the mode of redaction that the environment names in SHOP_MODE.
    """

    folder: Path
    records: Records
    #: The adapter of this process, as a producer has it.
    producer: Engine
    process: subprocess.Popen[bytes] | None = None
    #: What the process comes online as.
    role: ClassVar[str] = "worker"
    #: Where the worker starts.
    here: ClassVar[Path]
    #: How its owner stops it, and how many seconds it may take to end and to begin.
    stops: ClassVar[int] = signal.SIGTERM
    ends: ClassVar[float] = 20.0
    begins: ClassVar[float] = 40.0

    def command(self) -> list[str]:
        """What starts the worker in the foreground."""
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        """Of its environment, beyond this process's own."""
        return {}

    def send_unseen(self, task: str, *args: Any, **options: Any) -> str:
        raise NotImplementedError

    def count(self) -> int:
        """How many workers come online with one start."""
        return 1

    def start(self, mode: str = Mode.REDACT) -> None:
        online = len(self.records.events(kind=f"{self.role}.online"))
        with (self.folder / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.here,
                env={**os.environ, **self.settings(), "SHOP_MODE": mode},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wanted = online + self.count()
        wait_for(lambda: len(self.records.events(kind=f"{self.role}.online")) >= wanted, self.begins, "the worker")

    def stop(self, with_signal: int | None = None) -> None:
        """Nothing of it is left afterwards, however it ended."""
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(with_signal or self.stops)
            try:
                process.wait(self.ends)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def restart(self, mode: str = Mode.REDACT) -> None:
        self.stop()
        self.start(mode)

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ensure(self) -> None:
        """Start it if it is not running: after a test that ended it."""
        if not self.running():
            self.start()

    def recorder(self) -> RecordingHost:
        return RecordingHost(self.folder, Mode.REDACT)

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """As a producer with the adapter installed."""
        self.producer.install(self.recorder())
        try:
            return self.send_unseen(task, *args, **options)
        finally:
            self.producer.uninstall()
