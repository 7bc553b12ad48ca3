"""One engine's department in a running demo: how a test asks for something there, and sees what came of it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.live.demo import ROOT, Demo
from tests.live.departments import DEPARTMENTS

#: Seconds for what takes a moment, and for what is told with the next heartbeat or measurement.
SOON, TOLD = 60, 90
#: No two words are the same, whichever engine they are for.
_numbers = itertools.count(1000)
FAILURES = ("failed", "dead_lettered")


class Stage:
    def __init__(self, demo: Demo, engine: str) -> None:
        self.demo, self.engine, self.plan = demo, engine, DEPARTMENTS[engine]
        self.folder = demo.folder / "demo" / self.plan.package
        self.more: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """RQ registers no functions: known are those that a worker has run, to the brain once the next one starts."""
        self.queue()
        if self.plan.spare:
            self.start(self.plan.spare, RQ_REDIS_URL=self.environment["DEMO_REDIS"])
            self.worker(queue="spare")
        if self.rows("registered") or not self.offers("run"):
            return
        before = self.worker()
        self.task(self.send(self.word()), *FAILURES)
        self.task(self.send("5", self.plan.other, self.plan.long), "started")
        self.ask("worker.stop", [before["id"]])
        self.worker(besides=life(before))

    # What the brain says.

    def until(self, ask: Callable[[], Any], what: str, seconds: float = SOON) -> Any:
        return self.demo.until(ask, seconds, f"{self.engine}: {what}")

    def rows(self, kind: str, **filters: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"engine": self.engine} | filters)
        return list(self.demo.call(f"{kind}/?{query}")["results"])

    def worker(self, besides: object = None, queue: str = "") -> dict[str, Any]:
        """The worker of the department that answers; `besides`: not the one that began like that one."""

        def found() -> dict[str, Any] | None:
            online = (row for row in self.rows("workers") if row["state"] == "online" and _lives(row["pid"]))
            taking = (row for row in online if (queue or self.plan.queue) in [*row["queues"], *row["paused"]])
            return next((row for row in taking if life(row) != besides), None)

        return dict(self.until(found, f"a worker that takes from {queue or self.plan.queue}", TOLD))

    def queue(self, name: str = "") -> dict[str, Any]:
        found = lambda: next(iter(self.rows("queues", name=name or self.plan.queue)), None)  # noqa: E731
        return dict(self.until(found, f"a measurement of {name or self.plan.queue}"))

    def registered(self, name: str) -> int:
        return int(self.until(lambda: self.rows("registered", name=name), f"{name} among the known names")[0]["id"])

    def task(self, task_id: str, *states: str) -> dict[str, Any]:
        """The task that the engine calls so, once it is in one of these states."""

        def found() -> dict[str, Any] | None:
            rows = self.rows("tasks", task_id=task_id)
            return next((row for row in rows if row["state"] in states or not states), None)

        brief = self.until(found, f"task {task_id} as {' or '.join(states) or 'anything'}", TOLD)
        return self.demo.call(f"tasks/{brief['id']}/")

    def voices(self) -> list[dict[str, Any]]:
        """What the agents of the department's workers say that they can do with the engine."""
        rows = [row for row in self.rows("workers") if row["state"] == "online" and _lives(row["pid"])]
        agents = [self.demo.call(f"agents/{row['agent']}/") for row in rows]
        return [dict(entry) for agent in agents for entry in agent["engines"] if entry["name"] == self.engine]

    # What is asked.

    def post(self, action: str, targets: list[Any], confirm: int | None = None, **options: Any) -> str:
        """The id of an operation that was begun."""
        body = {"action": action, "targets": targets, "options": options, "confirm": confirm, "reason": "to see it"}
        return str(self.demo.call("operations/", body)["id"])

    def settled(self, operation: str) -> list[dict[str, Any]]:
        """Its targets, once it is over."""

        def over() -> bool:
            return bool(self.demo.call(f"operations/{operation}/")["finished_at"])

        self.until(over, f"the end of operation {operation}, {self._so_far(operation)}", TOLD)
        return list(self.demo.call(f"operations/{operation}/items/")["results"])

    def ask(self, action: str, targets: list[Any], confirm: int | None = None, **options: Any) -> dict[str, Any]:
        """What became of the first target of an operation that did what it was to do."""
        return self.done(self.post(action, targets, confirm, **options))

    def done(self, operation: str) -> dict[str, Any]:
        items = self.settled(operation)
        assert [item["outcome"] for item in items] == ["done"] * len(items), items
        return items[0]

    def _so_far(self, operation: str) -> str:
        told = self.demo.call(f"operations/{operation}/")
        return f"{told['action']}, {told['state']}"

    # What happens in the department.

    def word(self) -> str:
        return self.plan.word(next(_numbers))

    def left(self, word: str) -> bool:
        """Whether the task that was given this word has run."""
        return (self.folder / self.plan.file.format(word)).exists()

    def ran(self, word: str) -> None:
        self.until(lambda: self.left(word), f"the file of {word}, which the task leaves when it runs", TOLD)

    def run(self, word: str, queue: str = "") -> str:
        """Have the task run with this word; the engine's id of it."""
        options = self.plan.given(word)
        if self.plan.other:  # by itself RQ puts it where one of that name ran last
            options |= {"queue": queue or self.plan.queue}
        return str(self.ask("task.run", [self.registered(self.plan.once)], **options)["new_task_id"])

    def failed(self) -> dict[str, Any]:
        """A task that has failed, and would not a second time."""
        word = self.word()
        if self.offers("run"):
            return self.task(self.run(word), *FAILURES)
        return self.task(self.send(word), *FAILURES)

    def send(self, word: str, queue: str = "", *more: str) -> str:
        """As the department's own code sends the task; the engine's id of it."""
        return self.script(self.plan.sends, word, queue or self.plan.queue, *more)

    def script(self, program: str, *arguments: str) -> str:
        """What a program of the department's prints."""
        folder = ROOT / "z4j_agents" / self.plan.package / "demo"
        command, settings = [str(self.python), "-c", program, *arguments], {}
        if self.plan.settings:
            settings["DJANGO_SETTINGS_MODULE"] = self.plan.settings
        done = subprocess.run(command, cwd=folder, env=self.environment | settings, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    def offers(self, verb: str) -> bool:
        return any(verb in voice["capabilities"] for voice in self.voices())

    @contextmanager
    def paused(self, *queues: str) -> Iterator[None]:
        """Nobody takes from these queues meanwhile."""
        ids = [self.queue(name)["id"] for name in queues or [self.plan.queue]]
        self.ask("queue.pause", ids)
        time.sleep(self.plan.lags)
        try:
            yield
        finally:
            self.ask("queue.resume", ids)

    def waiting(self, number: int, since: str, queue: str = "") -> dict[str, Any]:
        """The queue, measured after that moment, once so many wait in it."""

        def found() -> dict[str, Any] | None:
            row = self.queue(queue)
            return row if row["measured_at"] > since and row["depth"] == number else None

        return dict(self.until(found, f"{number} waiting in {queue or self.plan.queue}", TOLD))

    # Its processes and its broker.

    @cached_property
    def _process(self) -> psutil.Process:
        return psutil.Process(self.worker()["pid"])

    @cached_property
    def environment(self) -> dict[str, str]:
        return dict(self._process.environ())

    @property
    def python(self) -> Path:
        return ROOT / f".venv-{self.plan.package}" / "bin" / "python"

    @cached_property
    def broker(self) -> Any:
        return redis.Redis.from_url(self.environment["DEMO_REDIS"], decode_responses=True)

    def start(self, command: str, **settings: str) -> subprocess.Popen[bytes]:
        """One more process of the department, until the stage is cleared."""
        folder = ROOT / "z4j_agents" / self.plan.package / "demo"
        with (self.folder / "more.log").open("ab") as log:
            process = subprocess.Popen(
                [str(self.python), *command.split()], cwd=folder, env=self.environment | settings,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.more.append(process)
        return process

    def clear(self) -> None:
        for process in self.more:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def life(worker: dict[str, Any]) -> object:
    """What is another after a worker was started anew."""
    return worker["name"], worker["pid"], worker["started_at"]


def units(pid: int, kind: str) -> int:
    """What of a process runs tasks, and a little more: its children, or its threads."""
    process = psutil.Process(pid)
    return len(process.children()) if kind == "prefork" else process.num_threads()


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def gone(pid: int, created: float) -> bool:
    """Whether the process that began then is no more."""
    try:
        return psutil.Process(pid).create_time() != created or not _lives(pid)
    except psutil.Error:
        return True
