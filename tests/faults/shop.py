"""A shop with workers of Celery on one host, each with an agent: one folder of z4j is theirs."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.faults.cluster import Channel
from tests.store import ROOT

PYTHON = ROOT / ".venv-z4j-celery" / "bin" / "python"
HERE = Path(__file__).parent


class Shop:
    """Its runs are files: a line for each time that a task ran."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker = folder, Channel(folder / "broker")
        self.runs = folder / "runs"
        self.runs.mkdir()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        self.environment = inherited | {
            "SHOP_FOLDER": str(folder),
            "SHOP_BROKER": self.broker.url,
            "Z4J_SPOOL_DIR": str(folder / "agent"),
        }

    def open(self, name: str, queue: str, dsn: str, **settings: str) -> None:
        """A worker that takes from this queue."""
        options = ["-P", "threads", "-c4", "-Q", queue, "-n", f"{name}@shop", "-lWARNING", "--without-gossip"]
        self.workers[name] = self._run(
            "-m", "celery", "-A", "mending_shop", "worker", *options, Z4J_DSN=dsn, **settings
        )

    def send(self, total: int) -> None:
        assert self._run("-c", f"import mending_shop; mending_shop.send({total})").wait(120) == 0

    def kill(self, name: str) -> None:
        """All of it, as a machine that loses its power does."""
        worker = self.workers.pop(name)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def counts(self) -> list[int]:
        """How often each task ran."""
        return [len(file.read_text().splitlines()) for file in self.runs.iterdir()]

    def close(self) -> None:
        for name in list(self.workers):
            self.workers[name].terminate()
        for name in list(self.workers):
            with suppress(subprocess.TimeoutExpired):
                self.workers[name].wait(20)
            with suppress(ProcessLookupError):
                self.kill(name)
        self.broker.close()

    def _run(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        environment = self.environment | settings
        with (self.folder / "celery.log").open("ab") as log:
            return subprocess.Popen(
                [str(PYTHON), *command], cwd=HERE, env=environment, stdout=log, stderr=log, start_new_session=True
            )
