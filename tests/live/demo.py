"""`make demo` as a test starts, asks and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tree import Package, packages

from tests.brain import free_port

ROOT = Path(__file__).resolve().parents[2]


def engines() -> list[str]:
    """Of every adapter that brings a department."""
    return [name for package in departments() for name in package.engines]


def sources() -> list[list[str]]:
    """By department, the schedulers that its adapter is for, as they are called in the brain."""
    found = []
    for package in departments():
        if package.schedulers:
            command = [str(package.python), "-m", "z4j_core.matrix", "schedulers"]
            told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            own = package.schedulers.values()
            found.append(sorted(name for name, facts in told.items() if facts["by"] in own))
    return found


def departments() -> list[Package]:
    return [package for package in packages(ROOT) if (package.folder / "demo" / "demo.toml").exists()]


class Refused(AssertionError):
    """The API said no, and what it said."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem}")
        self.status, self.problem = status, problem


class Demo:
    """`make demo` on a free port, in a folder of its own; `settings` are variables of its environment."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        environment = os.environ | {"DEMO_FOLDER": str(folder), "Z4J_PORT": str(free_port())} | settings
        self.process = subprocess.Popen([sys.executable, "demo/run.py"], cwd=ROOT, env=environment)
        self.facts = self.until(self._facts, 180)
        self.since = time.monotonic()

    def _facts(self) -> dict[str, str] | None:
        assert self.process.poll() is None, "the demo ended"
        path = self.folder / "demo.json"
        return dict(json.loads(path.read_text())) if path.exists() else None

    def call(self, path: str, body: dict[str, Any] | None = None, **facts: str) -> dict[str, Any]:
        """GET, or POST with a body, below the demo's environment; `facts` in place of its own. Raises Refused."""
        told = self.facts | facts
        address = f"{told['url']}/api/v1/{told['project']}/{told['environment']}/{path}"
        headers = {"Authorization": f"Bearer {told['api_token']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=30) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as answer:
            raise Refused(answer.code, json.loads(answer.read())) from None

    def first(self, **filters: str) -> dict[str, Any] | None:
        """The newest task that these filters leave."""
        return next(iter(self.all(**filters)), None)

    def all(self, **filters: str) -> list[dict[str, Any]]:
        """Tasks that these filters leave, newest first."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return list(self.call(f"tasks/?{query}")["results"])

    def schedules(self, **filters: str) -> list[dict[str, Any]]:
        """Schedules that these filters leave."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return list(self.call(f"schedules/?page_size=200&{query}")["results"])

    def until(self, ask: Callable[[], Any], seconds: float, what: str = "") -> Any:
        """What `ask` answers as soon as it answers something; `what` says what was waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := ask():
                return answer
            time.sleep(0.3)
        raise AssertionError(f"{what or ask}: not within {seconds} s")

    def settle(self, task: dict[str, Any], verb: str, kind: str = "tasks") -> list[str]:
        """Ask for the verb on a target of this kind and wait until the operation is over.

        Says how it ended, with what each item says.
        """
        operation = self.call(f"{kind}/{task['id']}/{verb}/", {"reason": "to see it work"})
        over = ("succeeded", "failed", "partial", "expired", "cancelled")

        def ended() -> dict[str, Any] | None:
            now = self.call(f"operations/{operation['id']}/")
            return now if now["state"] in over else None

        state = self.until(ended, 60)["state"]
        items = self.call(f"operations/{operation['id']}/items/")["results"]
        return [state, *(f"{item['outcome']}: {item['detail']}" for item in items if state != "succeeded")]

    def end(self, task: dict[str, Any], seconds: float = 90) -> dict[str, Any]:
        """The whole task, once it has come to its end."""

        def ended() -> dict[str, Any] | None:
            now = self.call(f"tasks/{task['id']}/")
            return now if now["state"] in ("succeeded", "failed", "dead_lettered", "cancelled") else None

        return dict(self.until(ended, seconds))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def leftovers(self) -> list[psutil.Process]:
        """Processes of the demo and of its departments, whose folders are below the demo's, that still run."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.environ().get("DEMO_FOLDER", "/")).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found
