"""A brain in a thread that speaks the wire, and a DSN that leads to it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import z4j_core
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from z4j_bare.allow import AllowList
from z4j_bare.config import Config
from z4j_bare.database import Database
from z4j_bare.gate import gate
from z4j_bare.inspection import Inspection, Refused
from z4j_bare.problems import Problems
from z4j_bare.proofs import Proofs
from z4j_bare.runtime import Agent
from z4j_bare.transport import Transport
from z4j_bare.trust import Trust
from z4j_bare.witness import Witness
from z4j_core import merkle, wire
from z4j_core.dsn import DSN, fingerprint
from z4j_core.testing.sealed import Log

SECRET = "s" * 43


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Key:
    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()

    def sign(self, domain: bytes, body: bytes, kid: str) -> dict[str, str]:
        signature = self.private.sign(domain + body)
        return {"body": base64.b64encode(body).decode(), "kid": kid, "sig": base64.b64encode(signature).decode()}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    brain: Brain

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent may be killed in the middle."""


class Brain:
    """Takes events, hands out commands, takes results. `answer` decides what becomes of a batch."""

    def __init__(self, root: Key) -> None:
        self.root, self.action, self.sealer = root, Key(), Key()
        self.kid = "a1"
        self.recovery: dict[str, str] = {}
        self.log = self.new_log()
        #: What a proxy says instead where somebody asks how the log goes on.
        self.garbled: dict[str, Any] = {}
        self.answer: Callable[[dict[str, Any]], int] = lambda batch: 200
        self.delay = 0.0
        self.batches: list[tuple[dict[str, Any], bytes, int]] = []
        self.stored: dict[tuple[str, int], dict[str, Any]] = {}
        self.accepted = self.duplicates = 0
        self.commands: list[dict[str, str]] = []
        #: Those for one agent alone, by its boot: see `send`.
        self.addressed: dict[str, list[dict[str, str]]] = {}
        self.looks: list[Any] = []
        #: The policy of redaction that it hands out, and the versions that agents say they apply.
        self.policy: dict[str, Any] | None = None
        self.applied: list[str] = []
        #: What it knows of a hello; None: it is a brain of before.
        self.hello: dict[str, Any] | None = None
        self.poll_status, self.ahead = 200, 0
        self.results: list[dict[str, Any]] = []
        #: So many answers to commands are not taken: the connection ends over them.
        self.deaf = 0
        self.headers: list[dict[str, str]] = []
        #: Where calls came from: a port for each connection.
        self.connections: set[int] = set()
        self._lock = threading.Lock()
        self._server: Server | None = None
        self.port = 0

    def start(self) -> None:
        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.brain = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def dsn(self) -> str:
        pin = fingerprint(self.root.public)
        return f"http://z4ja_k1_{SECRET}@127.0.0.1:{self.port}/harbor/production?key={pin}"

    def keys(self) -> dict[str, Any]:
        action = {self.kid: base64.b64encode(self.action.public).decode()}
        log = {"l1": base64.b64encode(self.sealer.public).decode()}
        told = {"v": 1, "action": action, "log": log, "issued": 1, "recovery": self.recovery}
        body = canonical(told)
        return {
            "root": base64.b64encode(self.root.public).decode(),
            "statement": self.root.sign(wire.KEYS_DOMAIN, body, "root"),
        }

    def new_log(self, generation: int = 1) -> Log:
        return Log(self.sealer.public, self.sealer.private.sign, f"brain.test/z4j/audit/{generation}")

    def continues(self, asked: dict[str, str]) -> wire.Log | None:
        """What a poll is told of the log: nothing when it knows all of it, or when there is no log."""
        if not self.log.size or asked.get("size") == str(self.log.size) and asked.get("origin") == self.log.origin:
            return None
        return self.log.log(int(asked.get("size", 0)) if asked.get("origin") == self.log.origin else 0)

    def take(self, body: bytes, tries: int) -> tuple[int, dict[str, Any]]:
        batch = json.loads(gzip.decompress(body))
        with self._lock:
            self.batches.append((batch, body, tries))
            status = self.answer(batch)
            if status != 200:
                return status, {"code": "poison"}
            known = [event["seq"] for event in batch["events"] if (batch["boot"], event["seq"]) in self.stored]
            self.stored |= {(batch["boot"], event["seq"]): event for event in batch["events"]}
            self.accepted += len(batch["events"]) - len(known)
            self.duplicates += len(known)
            taken = len(batch["events"]) - len(known)
        return 200, {"accepted": taken, "duplicates": known, "rejected": [], "time": time.time_ns() // 1000}

    def task_ids(self) -> set[str]:
        with self._lock:
            return {event["task_id"] for event in self.stored.values() if "task_id" in event}

    def boots(self) -> set[str]:
        with self._lock:
            return {boot for boot, _ in self.stored}

    def kinds(self) -> list[str]:
        with self._lock:
            return [event["kind"] for event in self.stored.values()]

    def command(self, boot: str, **changes: Any) -> dict[str, Any]:
        """With a proof that it stands in the log; `changes`: what is said instead."""
        now = time.time_ns() // 1000
        command: Any = {
            "v": 1, "id": str(uuid.uuid4()), "operation": str(uuid.uuid4()), "project": "harbor",
            "environment": "production", "engine": "toy", "verb": "retry", "audience": boot, "fence": 1,
            "issued": now, "expires": now + 600_000_000,
            "targets": [{"item": 1, "task_id": "t1"}], "params": {},
        } | changes  # fmt: skip
        with contextlib.suppress(LookupError, TypeError):
            command.setdefault("proof", self.log.prove(command)[0])
        return command

    def sign(self, command: dict[str, Any]) -> dict[str, str]:
        return self.action.sign(wire.COMMAND_DOMAIN, canonical(command), self.kid)

    def send(self, boot: str, *commands: dict[str, Any]) -> None:
        """For that agent alone. Its poll takes the list away at any moment: commands go into it in one step."""
        signed = [self.sign(command) for command in commands]
        with self._lock:
            self.addressed[boot] = [*self.addressed.get(boot, ()), *signed]

    def taken(self, boot: str) -> list[dict[str, str]]:
        with self._lock:
            return self.addressed.pop(boot, [])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        brain = self.server.brain
        brain.connections.add(self.client_address[1])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(brain.delay)
        if self.path == wire.EVENTS_PATH:
            brain.headers.append(dict(self.headers.items()))
            self._answer(*brain.take(body, int(self.headers[wire.TRIES_HEADER])))
        elif brain.deaf:
            brain.deaf -= 1
            self.close_connection = True
        else:
            brain.results.append(json.loads(body))
            self._answer(200, {})

    def do_GET(self) -> None:
        brain = self.server.brain
        if self.path == wire.KEYS_PATH:
            self._answer(200, brain.keys())
            return
        if self.path.startswith(wire.HELLO_PATH):
            self._answer(404 if brain.hello is None else 200, brain.hello)
            return
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.path.startswith(wire.LOG_PATH):
            self._prove(asked)
            return
        if brain.poll_status != 200:
            self._answer(brain.poll_status, {})
            return
        deadline = time.monotonic() + (0.0 if "wait=0" in self.path else 1.0)
        while not (brain.commands or brain.looks or asked["boot"] in brain.addressed) and time.monotonic() < deadline:
            time.sleep(0.01)
        waiting = list(brain.commands)
        del brain.commands[: len(waiting)]  # what a test puts there meanwhile stays
        commands = waiting + brain.taken(asked["boot"])
        looks, brain.looks = brain.looks, []
        told = {"v": 1, "commands": commands, "look": looks, "time": time.time_ns() // 1000 + brain.ahead}
        log = brain.continues(asked)
        brain.applied.append(asked.get(wire.POLICY_QUERY, ""))
        new = brain.policy is not None and brain.policy.get("version") != brain.applied[-1]
        self._answer(200, told | ({"log": log} if log else {}) | ({"redaction": brain.policy} if new else {}))

    def _prove(self, asked: dict[str, str]) -> None:
        log, old, new = self.server.brain.log, int(asked["old"]), int(asked["new"])
        if asked["origin"] != log.origin or new > log.size:
            self._answer(409, {})
        else:
            root = base64.b64encode(merkle.root(map(merkle.leaf_hash, log.leaves[:old]))).decode()
            told = {"checkpoint": log.checkpoint(), "proof": log.consistency(old, new), "root": root}
            self._answer(200, told | self.server.brain.garbled)

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests print their own story."""


#: Of the agent that commands are for.
BOOT = "0f7c0b1e-0000-4000-8000-000000000001"


class Host:
    """One process of the host: what it remembers is in `folder`."""

    def __init__(
        self, brain: Brain, dsn: DSN, folder: Path, *, required: bool = True, accept: str | None = None
    ) -> None:
        self.brain, self.said = brain, 0
        self.transport = Transport(dsn)
        trust = Trust(dsn.key, self.transport)
        self.problems = Problems()
        self.witness = Witness(folder, trust, self.transport, self.problems, self.say, accept)
        self.inspection = Inspection(dsn, BOOT, trust, AllowList(), Proofs(self.witness, required=required))

    def say(self) -> None:
        self.said += 1

    def poll(self) -> None:
        asked = self.witness.query()
        self.witness.hear(self.brain.continues(asked), asked)

    def told(self, **changes: Any) -> tuple[str, str]:
        """How a command fares that the brain has sealed as it is told, unless `changes` say otherwise: code and why."""
        return self.inspect(self.brain.command(BOOT) | changes)

    def inspect(self, command: dict[str, Any]) -> tuple[str, str]:
        try:
            self.inspection.inspect(self.brain.sign(command))
        except Refused as refused:
            return refused.code, refused.why
        return "", ""

    @property
    def alarm(self) -> str:
        found = self.witness.alarm()
        return found.kind if found else ""


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file that a test opens stays open after it: Python 3.13 complains of each, in whichever test comes next."""
    opened: list[Any] = []
    register = gate.register

    def noted(member: Any) -> None:
        opened.append(member)
        register(member)

    monkeypatch.setattr(gate, "register", noted)
    yield
    for each in opened:
        if isinstance(each, Database):
            each.close()


@pytest.fixture
def brain() -> Iterator[Brain]:
    found = Brain(Key())
    found.start()
    yield found
    found.stop()


@pytest.fixture
def dsn(brain: Brain) -> DSN:
    return DSN.parse(brain.dsn)


@pytest.fixture
def host(brain: Brain, dsn: DSN, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(**more: Any) -> Host:
        made.append(Host(brain, dsn, tmp_path, **more))
        return made[-1]

    yield make
    for each in made:
        each.transport.close()


@pytest.fixture
def make_agent(brain: Brain, tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**settings: Any) -> Agent:
        config = Config.read({"DSN": brain.dsn, "SPOOL_DIR": str(tmp_path / "spool")} | settings, {})
        assert config is not None
        made.append(Agent(config))
        return made[-1]

    yield make
    for agent in made:
        agent.discard()


@pytest.fixture
def wait_for() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 40.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def program(brain: Brain, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a Python program of its own that has the agent's settings in its environment."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, **environ: str) -> subprocess.Popen[str]:
        settings = {"Z4J_DSN": brain.dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool")} | environ
        settings = {name: value for name, value in settings.items() if value}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", source], env=os.environ | settings, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def pytest_configure(config: pytest.Config) -> None:
    assert "site-packages" not in str(z4j_core.__file__), "z4j-core is not the one of this tree"
