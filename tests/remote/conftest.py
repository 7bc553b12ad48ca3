"""The command line as somebody has it on a laptop: a process with an address and a token, piped or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import wire as sent
from tests.brain import Brain
from tests.store import ROOT, Store
from tests.upgrade.installation import Reporter

COMMAND = [sys.executable, "-m", "z4j_brain.cli"]
PATIENCE = 60


@dataclass
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    aside: str = ""

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.aside)


@dataclass
class Shell:
    """Runs commands as one of the cast."""

    url: str
    token: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_", "NO_"))}
        place = {"Z4J_URL": self.url, "Z4J_TOKEN": self.token, "Z4J_PROJECT": "harbor", "Z4J_ENVIRONMENT": "production"}
        return ours | place | {"TERM": "xterm", "COLUMNS": "120"} | self.more

    def __call__(self, *words: object, **more: str) -> Said:
        """In a pipe, with nobody to ask."""
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            cwd=ROOT,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def terminal(self, *words: object, **more: str) -> Typed:
        return Typed([*COMMAND, *map(str, words)], self.environment | more)


class Typed:
    """A command on a terminal: stdin, stdout and stderr are one pty."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.screen, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.text = ""

    def until(self, words: str) -> Typed:
        """Read until these words were written."""
        while words not in self.text:
            assert self._read(), f"{words!r} never came:\n{self.text}"
        return self

    def type(self, line: str) -> Typed:
        os.write(self.screen, f"{line}\n".encode())
        return self

    def interrupt(self) -> Typed:
        self.process.send_signal(signal.SIGINT)
        return self

    def end(self) -> Said:
        while self._read():
            pass
        os.close(self.screen)
        return Said(self.process.wait(PATIENCE), self.text.replace("\r\n", "\n"))

    def _read(self) -> bool:
        if not select.select([self.screen], [], [], PATIENCE)[0]:
            self.process.kill()
            return False
        try:
            part = os.read(self.screen, 65536)
        except OSError:  # the other side has closed
            return False
        self.text += part.decode()
        return bool(part)


class Agent(Reporter):
    """A worker's agent that does what it is told, but for tasks whose id begins with `bad-`. `mark` is its queue."""

    def __init__(self, brain: Brain, place: str = "harbor/production", who: str = "oscar") -> None:
        super().__init__(brain, uuid.uuid4(), place)
        self.who = who
        self.lock = threading.Lock()
        self.mark = f"q-{self.boot.hex[:8]}"
        self.gone = threading.Event()
        allowed = ("retry", "cancel", "purge")
        hello = sent.online(vault=str(self.boot), allowed=allowed)
        engine = hello["data"]["engines"][0]
        engine["capabilities"] = {verb: {"note": f"its own way to {verb}", "support": "native"} for verb in allowed}
        self.say({"kind": "agent.online", "ts": sent.now(), "data": hello["data"]})
        self.thread = threading.Thread(target=self._work, daemon=True)

    def say(self, *events: dict[str, Any]) -> None:
        with self.lock:
            super().say(*events)

    def fails(self, *task_ids: str, **more: Any) -> list[int]:
        """Failed tasks with these ids; their ids in the brain."""
        usual = {"engine": "celery", "attempt": 0, "name": "shop.pay", "queue": self.mark, "vault": str(self.boot)}
        error = {"type": "Refused", "message": "by the bank"}
        for task_id in task_ids:
            told = {"kind": "task.failed", "ts": sent.now(), "task_id": task_id, "error": error}
            self.say(told | usual | more)
        return [self._id(task_id) for task_id in task_ids]

    def measured(self, depth: int) -> None:
        data = {"name": self.mark, "depth": depth}
        self.say({"kind": "queue.snapshot", "engine": "celery", "queue": self.mark, "ts": sent.now(), "data": data})

    def operations(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "operations/", status=200)["results"])

    def works(self) -> Agent:
        """From now on it takes what waits and answers."""
        self.thread.start()
        return self

    def close(self) -> None:
        self.gone.set()
        if self.thread.is_alive():
            self.thread.join(PATIENCE)
        self.say({"kind": "agent.offline", "ts": sent.now()})

    def _id(self, task_id: str) -> int:
        [task] = self.ask("GET", f"tasks/?task_id={task_id}", who=self.who, status=200)["results"]
        return int(task["id"])

    def _work(self) -> None:
        while not self.gone.is_set():
            for signed in self.poll(self.boot, wait=1)[1].get("commands", []):
                command = sent.opened(signed)
                results = [self._result(command["verb"], target) for target in command["targets"]]
                told = {"v": 1, "boot": str(self.boot), "command": command["id"], "fence": command["fence"]}
                self.call("POST", "/agent/v1/results", sent.raw(told | {"results": results}))

    def _result(self, verb: str, target: dict[str, Any]) -> dict[str, Any]:
        old = str(target.get("task_id", ""))
        if old.startswith("bad-"):
            return {"item": target["item"], "outcome": "failed", "detail": "the broker said no"}
        if verb != "retry":
            return {"item": target["item"], "outcome": "done"}
        new = f"new-{uuid.uuid4()}"
        made = {"engine": "celery", "task_id": new, "attempt": 0, "name": "shop.pay", "queue": self.mark}
        self.say({"kind": "task.enqueued", "ts": sent.now(), "retry_of": old, **made})
        return {"item": target["item"], "outcome": "done", "new_task_id": new}


@pytest.fixture(scope="package")
def brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    brain = Brain(store, tmp_path_factory.mktemp("remote") / "brain")
    brain.start()
    yield brain
    brain.close()


@pytest.fixture
def shell(brain: Brain) -> Shell:
    return Shell(brain.url, brain.tokens["oscar"])


@pytest.fixture
def agent(brain: Brain) -> Iterator[Agent]:
    agent = Agent(brain)
    yield agent
    agent.close()


def unpainted(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*[mK]", "", text)
