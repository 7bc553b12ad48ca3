"""A release of z4j, this one or the one before, and what a test starts of it: a brain, and a shop whose agent it is."""

from __future__ import annotations

import io
import json
import lzma
import os
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.brain import ROOT, free_port
from tests.upgrade import pack

UV = ROOT / ".z4j" / "uv" / "bin" / "uv"
PLACE = "default/production"
PATIENCE = 300


@dataclass(frozen=True)
class Release:
    """Which Python runs its brain and its agent. Only what is in this tree may be found by PYTHONPATH."""

    brain: Path
    agent: Path
    here: bool

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
        if not self.here:
            kept.pop("PYTHONPATH", None)
        return kept | more


TODAY = Release(Path(sys.executable), ROOT / ".venv-z4j-huey" / "bin" / "python", here=True)


def before(folder: Path) -> Release:
    """The packed release: its wheels with what they were locked to, in environments of their own."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(pack.SOURCE.read_bytes()))) as archive:
        archive.extractall(folder / "source", filter="data")
    source, agents = folder / "source", folder / "source" / "z4j_agents"
    for project in (source, *(agents / name for name in pack.AGENT)):
        _run(project, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheels")
    brain = _environment(folder, "brain", source / "requirements/base.txt", "z4j", "z4j_core")
    agent = _environment(folder, "agent", agents / "z4j-huey/requirements.txt", "z4j_core", "z4j_bare", "z4j_huey")
    return Release(brain, agent, here=False)


def _environment(folder: Path, name: str, requirements: Path, *wheels: str) -> Path:
    python = folder / name / "bin" / "python"
    _run(folder, UV, "venv", "-q", "--no-python-downloads", "--python", sys.executable, folder / name)
    install = [UV, "pip", "install", "-q", "--python", python]
    _run(folder, *install, "--require-hashes", "-r", requirements)
    _run(folder, *install, "--no-deps", "--no-index", *(next(folder.glob(f"wheels/{one}-*.whl")) for one in wheels))
    return python


def _run(folder: Path, *command: str | Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([str(part) for part in command], cwd=folder, env=inherited, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


class Brain:
    """One installation: its data, its port and its first administrator, whichever release serves it."""

    def __init__(self, folder: Path, release: Release) -> None:
        folder.mkdir()
        self.folder, self.release, self.port = folder, release, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.z4j("createadmin", "--username", "olive", "--password-stdin", given="correct-horse-7\n")
        self.token = self.z4j("token", "create", "--username", "olive", "--name", "test")
        self.dsn = self.z4j("agent-key", "create", PLACE, "--name", "shop")
        self.process: subprocess.Popen[bytes] | None = None

    def _words(self, *command: str) -> dict[str, Any]:
        settings = {"Z4J_DATA_DIR": str(self.folder / "data"), "Z4J_PORT": str(self.port)}
        words = [self.release.brain, "-m", "z4j_brain.cli", *command]
        place = ROOT if self.release.here else self.folder
        return {"args": words, "cwd": place, "env": self.release.environment(**settings)}

    def z4j(self, *command: str, given: str = "") -> str:
        done = subprocess.run(**self._words(*command), input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def start(self, release: Release | None = None) -> None:
        self.release = release or self.release
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(**self._words("serve"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, "the brain", lambda: (self.folder / "log").read_text()[-4000:])

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.call("agents/") is not None)
        except OSError:
            return False

    def stop(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def call(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{PLACE}/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def tasks(self, **filters: str) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in (filters | {"page_size": "200"}).items())
        return list(self.call(f"tasks/?{query}")["results"])

    def ask(self, action: str, task: int) -> dict[str, Any]:
        """What became of an operation's only target."""
        body = {"action": action, "targets": [task], "reason": "to see it"}
        operation = self.call("operations/", body)["id"]
        until(lambda: self.call(f"operations/{operation}/")["finished_at"], f"the end of {action}")
        return dict(self.call(f"operations/{operation}/items/")["results"][0])


class Shop:
    """A program on an engine that needs no broker; its agents share a spool. `sold`: the tasks of orders."""

    def __init__(self, folder: Path, brain: Brain) -> None:
        folder.mkdir()
        self.folder, self.brain = folder, brain
        self.sold: dict[str, str] = {}
        self.told = {
            "SHOP_FOLDER": str(folder),
            "Z4J_SPOOL_DIR": str(folder / "spool"),
            "Z4J_ALLOW": "run",
            "Z4J_DSN": brain.dsn,
        }

    def _words(self, release: Release, *command: str) -> dict[str, Any]:
        return {
            "args": [release.agent, *command], "cwd": Path(__file__).parent,
            "env": release.environment(**self.told), "stdin": subprocess.DEVNULL,
        }  # fmt: skip

    @contextmanager
    def open(self, release: Release) -> Iterator[None]:
        """With a consumer, which lives until the end of it."""
        with self.log.open("ab") as log:
            command = ("-m", "huey.bin.huey_consumer", "release_shop.huey", "-w", "1", "-d", "0.1", "-m", "0.5")
            consumer = subprocess.Popen(**self._words(release, *command), stdout=log, stderr=log)
        try:
            yield
            assert consumer.poll() is None, self.log.read_text()[-4000:]
        finally:
            consumer.send_signal(signal.SIGINT)
            consumer.wait(60)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def sell(self, release: Release, *orders: str) -> None:
        script = f"import release_shop as shop; print(*(shop.order(name).id for name in {list(orders)!r}))"
        done = subprocess.run(**self._words(release, "-c", script), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.sold |= dict(zip(orders, done.stdout.split(), strict=True))

    def ran(self) -> list[str]:
        """The orders that were carried out, once for each time."""
        kept = self.folder / "ran"
        return kept.read_text().split() if kept.exists() else []


def until(ask: Callable[[], Any], what: str, why: Callable[[], str] = str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < end, f"{what} did not come\n{why()}"
        time.sleep(0.2)
    return found
