"""A live brain for tests: the process a user would run, on its own data folder, database and port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from z4j_core.dsn import bearer

from tests.store import ROOT, Store
from z4j_brain.lib.keys import KeyRing


class Brain:
    """On a clone with the cast in it, or on the database `adopted`, whose tokens and keys `cast` knows."""

    def __init__(self, store: Store, data_dir: Path, *, adopted: str = "", cast: dict[str, Any] | None = None) -> None:
        self.store, self.data_dir = store, data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = adopted or f"live-{os.getpid()}-{self.port}"
        self.database_url = store.url(adopted) if adopted else store.clone(self.name, cast=True)
        data_dir.mkdir(parents=True)
        if not self.database_url:
            os.link(store.folder / self.name / "z4j.sqlite3", data_dir / "z4j.sqlite3")
        self.cast = store.cast() if cast is None else cast
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def tokens(self) -> dict[str, str]:
        return dict(self.cast["tokens"])

    @property
    def log(self) -> str:
        return (self.data_dir / "brain.log").read_text()

    def dsn(self, project: str = "harbor", environment: str = "production") -> str:
        kid, secret = self.cast["agent_keys"][f"{project}/{environment}"]
        pin = KeyRing.load(self.data_dir).fingerprint
        return f"http://z4ja_{kid}_{secret}@127.0.0.1:{self.port}/{project}/{environment}?key={pin}"

    def agent_bearer(self, project: str = "harbor", environment: str = "production") -> str:
        return bearer(*self.cast["agent_keys"][f"{project}/{environment}"])

    def environment(self) -> dict[str, str]:
        """The environment variables under which this brain, and any `z4j` command on it, runs."""
        chosen = {
            "Z4J_DATA_DIR": str(self.data_dir),
            "Z4J_DATABASE_URL": self.database_url,
            "Z4J_PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
            "PYTHONWARNINGS": "default",
        }
        return os.environ | chosen

    def start(self, timeout: float = 30) -> None:
        with (self.data_dir / "brain.log").open("ab") as log:
            command = [sys.executable, "-m", "z4j_brain.cli", "serve"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The brain ended with {self.process.returncode}:\n{self.log}")
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"The brain was not ready after {timeout} s:\n{self.log}")

    def stop(self, timeout: float = 15) -> int:
        """Ask it to end (SIGTERM) and wait; the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()
        self.store.drop(self.name)

    def request(
        self, method: str, path: str, body: Any = None, *, who: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request, with the token of `who`; a body that is no bytes travels as JSON."""
        sent = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request(method, path, body, sent | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
