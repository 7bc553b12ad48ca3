"""F3, F4, F15, F18: between a real agent and a real brain the line is bad. Nothing is lost, nothing is double, every
event is accounted for, the user's tasks do not notice, and nobody asks in a busy loop.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brain import Brain
from tests.faults.proxy import Proxy
from tests.gateway.conftest import execute

AGENT = """
import json, statistics, sys, time, z4j_bare
from z4j_core.engine import Answer, Engine
from z4j_core.wire import Outcome

class Celery(Engine):
    name = "celery"
    done = []
    def worker(self):
        return {"host": "h", "pid": 1, "queues": ["q"], "running": []}
    def cancel(self, target, params):
        self.done.append(target.task_id)
        return Answer(Outcome.DONE)

z4j_bare.attach(Celery())
agent = z4j_bare.agent()
agent.role("worker", sys.argv[1])
print(agent._boot.id, flush=True)
number, costs = 0, []
for line in sys.stdin:
    word, argument = line.split()
    for _ in range(int(argument) if word == "work" else 0):
        number += 1
        task = {"engine": "celery", "task_id": f"{sys.argv[1]}-{number}", "name": "shop.pay", "run": number}
        began = time.perf_counter()
        agent.emit(task | {"kind": "task.started"})
        if number % 2:
            agent.emit(task | {"kind": "task.progress", "progress": {"note": "x" * 200}})
        agent.emit(task | {"kind": "task.succeeded"})
        costs.append(time.perf_counter() - began)
        if number % 50 == 0:
            time.sleep(0.002)
    if word == "begin":
        agent.emit({"engine": "celery", "task_id": argument, "name": "shop.pay", "run": 1, "kind": "task.started"})
    agent.flush(20)
    spool = agent._boot.spool
    drops = {kind: number for (kind, _), number in spool.drops().items()}
    told = {"size": spool.file.size(), "done": Celery.done, "drops": drops, "median": statistics.median(costs or [0])}
    told |= spool.counters()
    print(json.dumps(told), flush=True)
"""


class Worker:
    """An agent's process that does as it is told and counts."""

    def __init__(self, brain: Brain, proxy: Proxy, folder: Path, **settings: str) -> None:
        self.brain, self.name = brain, f"w{uuid.uuid4().hex[:8]}"
        environment = brain.environment() | {
            "Z4J_DSN": brain.dsn().replace(f":{brain.port}/", f":{proxy.port}/"),
            "Z4J_SPOOL_DIR": str(folder / "spool"),
            **settings,
        }
        command = [sys.executable, "-W", "ignore", "-c", AGENT, self.name]
        with (folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                text=True,
                bufsize=1,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout
        self.boot = self.process.stdout.readline().strip()

    def work(self, tasks: int) -> dict[str, Any]:
        """Run so many tasks; the agent's own account afterwards. After every thousand it waits until they are on the
        disk, so that none is lost in memory to a machine that has other work to do.
        """
        for done in range(0, tasks, 1000):
            told = self._say(f"work {min(tasks - done, 1000)}")
        return told

    def begin(self, task_id: str) -> None:
        """Run a task that does not end."""
        self._say(f"begin {task_id}")

    def counters(self) -> dict[str, Any]:
        return self._say("count 0")

    def stored(self) -> Counter[str]:
        """Kinds of this boot's events in the brain."""
        query = (
            "SELECT e.seq, e.data, e.kind FROM tasks_event e JOIN agents_agent a ON a.id = e.agent_id WHERE a.boot = ?"
        )
        boot = self.boot if self.brain.database_url else uuid.UUID(self.boot).hex
        rows = execute(self.brain, query, boot)
        assert len({row[0] for row in rows}) == len(rows), "an event is stored twice"
        return Counter(row[2] for row in rows)

    def _say(self, line: str) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        told = dict(json.loads(self.process.stdout.readline()))
        gone = told["accepted"] + told["duplicate"] + told["rejected"] + sum(told["dropped"].values())
        assert told["created"] == gone + told["spooled"], told
        assert told["rejected"] == 0, told
        return told

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def proxy(standing_brain: Brain) -> Iterator[Proxy]:
    proxy = Proxy(standing_brain.port)
    yield proxy
    proxy.close()


@pytest.fixture
def start(standing_brain: Brain, proxy: Proxy, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(**settings: str) -> Worker:
        started.append(Worker(standing_brain, proxy, tmp_path, **settings))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def settle(worker: Worker, tasks: int) -> dict[str, Any]:
    """Until the brain has every event of the tasks; each is there once, and the user's tasks did not notice."""
    wait_for(lambda: worker.stored()["task.succeeded"] >= tasks)
    stored, told = worker.stored(), worker.counters()
    assert (stored["task.started"], stored["task.progress"], stored["task.succeeded"]) == (
        tasks,
        (tasks + 1) // 2,
        tasks,
    )
    assert told["dropped"] == {}
    assert told["median"] < 0.005
    return told


@pytest.mark.parametrize("weather", [{"cut": True}, {"hole": True}], ids=["cut", "half-open"])
def test_a_line_that_is_cut_or_leads_nowhere_costs_no_event(start, proxy, weather):
    worker = start()
    worker.work(200)
    wait_for(lambda: worker.stored()["task.succeeded"])
    proxy.become(**weather)
    worker.work(200)
    before = proxy.requests.total()
    time.sleep(5)
    assert proxy.requests.total() - before < 20
    assert worker.counters()["spooled"]
    proxy.become()
    worker.work(200)
    settle(worker, 600)


def test_lost_packets_and_lost_answers_make_no_double(start, proxy):
    worker = start()
    proxy.become(loss=0.01, broken=4)
    for _ in range(20):
        worker.work(60)
        time.sleep(0.2)
    settle(worker, 1200)
    assert proxy.weather.broken == 0


def test_a_line_with_two_seconds_of_latency_is_only_slow(start, proxy):
    worker = start()
    proxy.become(late=1.0)
    for _ in range(4):
        worker.work(300)
        time.sleep(1)
    settle(worker, 1200)
    assert proxy.requests["/agent/v1/events"] < 60


@pytest.mark.parametrize("weather", [{"buffers": True}, {"patience": 3.0}], ids=["buffers", "cuts"])
def test_commands_come_through_proxies_that_buffer_or_cut_a_waiting_poll(start, proxy, weather, standing_brain):
    proxy.become(**weather)
    worker = start()
    worker.begin(task := f"{worker.name}-open")
    wait_for(lambda: worker.stored()["task.started"])
    time.sleep(8)
    before = proxy.requests["/agent/v1/commands"]
    time.sleep(8)
    assert proxy.requests["/agent/v1/commands"] - before < 8
    pk = execute(standing_brain, "SELECT id FROM tasks_task WHERE task_id = ?", task)[0][0]
    status, _, body = standing_brain.request(
        "POST", f"/api/v1/harbor/production/tasks/{pk}/cancel/", {"reason": "test"}, who="olive"
    )
    assert status == 202, body
    wait_for(lambda: worker.counters()["done"] == [task], 40)
    # Else the next test's agent is given what this one did not get to answer.
    wait_for(lambda: not execute(standing_brain, "SELECT id FROM operations_command WHERE state <> 'settled'"), 40)


def test_a_full_spool_stays_small_and_keeps_the_ends_of_tasks(start, proxy):
    worker = start(Z4J_SPOOL_CAP=str(1024 * 1024))
    wait_for(lambda: worker.counters()["accepted"])
    proxy.become(cut=True)
    told = worker.work(20_000)
    assert told["created"] >= 50_000
    assert told["dropped"].keys() == {"full"}
    assert told["dropped"]["full"] > 30_000
    assert told["size"] <= 1024 * 1024
    assert told["median"] < 0.005
    proxy.become()
    created = {"task.started": 20_000, "task.progress": 10_000, "task.succeeded": 20_000}

    def accounted() -> dict[str, int]:
        stored, drops = worker.stored(), worker.counters()["drops"]
        return {kind: stored[kind] + drops[kind] for kind in created}

    wait_for(lambda: accounted() == created)
    stored = worker.stored()
    on_their_way = 500  # the batch that was frozen first is sent as it was
    assert stored["task.succeeded"] > 1_000 > on_their_way >= stored["task.started"] + stored["task.progress"]


def test_a_days_backlog_is_caught_up_and_what_happens_now_does_not_wait_for_it(start, proxy):
    gone = start()
    proxy.become(cut=True)
    spooled = gone.work(8_000)["spooled"]
    assert spooled >= 20_000
    gone.close()
    proxy.become()
    worker = start()
    worker.work(100)
    wait_for(lambda: worker.stored()["task.succeeded"] == 100)
    assert gone.stored().total() < spooled, "the backlog came first"
    wait_for(lambda: gone.stored()["task.succeeded"] == 8_000)
    settle(worker, 100)


def test_an_idle_agent_asks_once_in_25_seconds_and_reports_every_ten(start, proxy):
    worker = start()
    wait_for(lambda: worker.counters()["accepted"] and proxy.requests["/agent/v1/commands"])
    time.sleep(2)
    proxy.requests.clear()
    time.sleep(30)
    assert proxy.requests["/agent/v1/commands"] <= 2
    assert proxy.requests["/agent/v1/events"] <= 4
    assert set(proxy.requests) <= {"/agent/v1/commands", "/agent/v1/events"}
