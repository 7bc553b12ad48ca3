"""A worker of the soak, in a process of its own: it runs what its ledger has, with a real agent that tells of it and
carries out what the brain asks for. `python -m tests.faults.maker NAME LEDGER CLOCK RATE`, until SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import z4j_bare
from z4j_bare.runtime import Agent
from z4j_core.engine import Answer, Engine, Target
from z4j_core.wire import Kind, Outcome, Reason

from tests.faults.ledger import Ledger, Task

#: Seconds between two portions of work.
PAUSE = 0.5


class Clock:
    """What this process is told of the time: wrong by as many seconds as a file says. By libfaketime no process could
    be told so that sleeps by an absolute time of the monotonic clock, as Python does.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.real = file, time.time_ns
        time.time_ns = self.now
        time.time = lambda: self.now() / 1e9

    def now(self) -> int:
        return self.real() + int(self.file.read_text() or 0) * 10**9


class Shop(Engine):
    """The engine, whose broker is the ledger."""

    name: ClassVar[str] = "celery"

    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__()
        self.worker_name, self.ledger = name, ledger

    def worker(self) -> dict[str, Any]:
        return {"name": self.worker_name, "host": "shop", "pid": os.getpid(), "queues": ["queue0"], "running": []}

    def landed(self, target: Target) -> bool:
        return self.ledger.knows(target.new_task_id())

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        self.ledger.send(target.new_task_id(), target.name, target.queue, retry_of=target.task_id)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    def run(self, target: Target, params: Mapping[str, Any]) -> Answer:
        schedule = str(params.get("schedule", ""))
        self.ledger.send(target.new_task_id(), target.name, target.queue or "queue0", schedule=schedule)
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())


class Maker:
    def __init__(self, name: str, ledger: Ledger) -> None:
        self.name, self.ledger = name, ledger
        self.enough = threading.Event()
        z4j_bare.attach(Shop(name, ledger))
        agent = z4j_bare.agent()
        assert isinstance(agent, Agent)
        self.agent = agent

    def live(self, rate: float) -> None:
        owed = 0.0
        while not self.enough.wait(PAUSE):
            if self.agent._boot is None:  # its disk is full: it has no place yet to write anything to
                self.agent.role("worker", self.name)
                continue
            owed += rate * PAUSE
            self.ledger.make(int(owed))
            owed -= int(owed)
            self.work(self.ledger.take(self.name, 200))
        self.agent.stop(20)

    def work(self, tasks: list[Task]) -> None:
        for task in tasks:
            self.tell(task)
        while tasks and not self.agent.flush(5):
            time.sleep(0.2)
        self.ledger.done(tasks)

    def tell(self, task: Task) -> None:
        known = {"engine": Shop.name, "task_id": task.id, "name": task.name, "queue": task.queue, "worker": self.name}
        links = {"retry_of": task.retry_of, "schedule": task.schedule}
        vault = self.agent.keep(task.id, b"{}")
        error = {"type": "ConnectionError", "message": "the relay is away", "reason": Reason.EXCEPTION}
        self.agent.emit({**known, **links, "kind": Kind.TASK_ENQUEUED, "attempt": 0, "vault": vault})
        for attempt in range(task.attempts + 1):
            run = {**known, "attempt": attempt, "run": task.run}
            self.agent.emit({**run, "kind": Kind.TASK_STARTED})
            if attempt < task.attempts:
                self.agent.emit({**run, "kind": Kind.TASK_RETRYING, "error": error})
        ended = {"kind": f"task.{task.end}", "runtime_ms": 1.0} | ({"error": error} if task.end == "failed" else {})
        self.agent.emit({**run, **ended})


if __name__ == "__main__":
    Clock(Path(sys.argv[3]))
    maker = Maker(sys.argv[1], Ledger(Path(sys.argv[2])))
    signal.signal(signal.SIGTERM, lambda *_: maker.enough.set())
    maker.live(float(sys.argv[4]))
