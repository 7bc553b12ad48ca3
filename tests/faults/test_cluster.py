"""A brain of several processes: one of each may die at any moment, and nothing is lost, done twice or kept waiting."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from z4j_core import wire
from z4j_core.dsn import DSN

from tests import wire as sent
from tests.brain import Brain
from tests.faults.cluster import Cluster, kill
from tests.faults.senders import Sender, check_events, check_tasks
from tests.gateway.conftest import execute
from tests.store import PostgresStore, Store

SECONDS = 300 if os.environ.get("Z4J_SOAK") else 20
KILL_EVERY = 5
SENDERS = 4


@pytest.fixture(scope="module")
def started(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not isinstance(store, PostgresStore):
        pytest.skip("several processes need PostgreSQL")
    cluster = Cluster(store, tmp_path_factory.mktemp("cluster"), web=4, housekeeping=2)
    cluster.start_all()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    """All of it answers, whatever the test before has done."""
    started.wait()
    return started


class Worker:
    """An agent of a worker that polls one process and answers what it is asked."""

    def __init__(self, brain: Brain) -> None:
        self.brain, self.boot, self.task = brain, uuid.uuid4(), f"failed-{uuid.uuid4()}"
        self.headers = {"Authorization": f"Bearer {DSN.parse(brain.dsn()).bearer()}"}
        failed = sent.event(2, "task.failed", self.task, vault=str(self.boot))
        body = sent.raw(sent.batch(sent.online(1, vault=str(self.boot)), failed, boot=self.boot))
        assert brain.request("POST", wire.EVENTS_PATH, body, headers=self.headers)[0] == 200

    def poll(self, wait: int) -> list[dict[str, Any]]:
        path = f"{wire.COMMANDS_PATH}?boot={self.boot}&wait={wait}&v=1"
        status, _, body = self.brain.request("GET", path, headers=self.headers)
        assert status == 200, body
        return [sent.opened(signed) for signed in json.loads(body)["commands"]]

    def answer(self, command: dict[str, Any]) -> None:
        results = [{"item": target["item"], "outcome": "done", "new_task_id": "n"} for target in command["targets"]]
        told = {"v": 1, "boot": str(self.boot), "command": command["id"], "fence": command["fence"], "results": results}
        status, _, body = self.brain.request("POST", wire.RESULTS_PATH, json.dumps(told).encode(), headers=self.headers)
        assert (status, json.loads(body)["applied"]) == (200, True)


def retry(brain: Brain, task: str) -> str:
    """Ask for a retry of it; the operation."""
    found = json.loads(brain.request("GET", f"/api/v1/harbor/production/tasks/?task_id={task}", who="oscar")[2])
    path = f"/api/v1/harbor/production/tasks/{found['results'][0]['id']}/retry/"
    status, _, body = brain.request("POST", path, {"reason": "again"}, who="oscar")
    assert status == 202, body
    return str(json.loads(body)["id"])


def waiting(worker: Worker, pool: ThreadPoolExecutor, wait: int = 25) -> Future[tuple[list[dict[str, Any]], float]]:
    """A poll in the background that has begun to wait."""
    polled = pool.submit(lambda: (worker.poll(wait), time.monotonic()))
    time.sleep(1)
    assert not polled.done()
    return polled


def until(ask: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_processes_are_killed_in_the_middle_of_ingest_and_nothing_is_lost_or_double(cluster):
    senders = [Sender(cluster, number) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for turn in range(SECONDS // KILL_EVERY):
        time.sleep(KILL_EVERY)
        for victim in (cluster.web[turn % 4], cluster.members[-1 - turn % 2]):
            kill(victim.pid)
            cluster.start(victim)
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join(60)

    assert not any(sender.is_alive() for sender in senders)
    assert [sender.refusals for sender in senders] == [[]] * SENDERS
    assert all(sender.counted == len(sender.acknowledged) > sender.size * SECONDS / 4 for sender in senders)
    check_events(cluster.brain, senders)
    check_tasks(cluster.brain)
    assert "Traceback" not in cluster.brain.log


def test_a_command_wakes_a_poll_that_waits_at_another_process_and_is_carried_out_once(cluster):
    here, there = (cluster.at(member) for member in cluster.web[:2])
    worker = Worker(there)
    with ThreadPoolExecutor(2) as pool:
        polled = waiting(worker, pool)
        began = time.monotonic()
        operation = retry(here, worker.task)
        [command], came = polled.result()

    assert (command["operation"], came - began < 5) == (operation, True)
    assert worker.poll(1) == []
    worker.answer(command)
    rows = execute(cluster.brain, "SELECT state, fence FROM operations_command WHERE operation_id = ?", operation)
    assert rows == [("settled", 1)]


def test_while_valkey_hangs_and_after_it_was_started_anew_polls_are_served_and_wake_again(cluster):
    here, there = (cluster.at(member) for member in cluster.web[:2])
    worker = Worker(there)
    with ThreadPoolExecutor(2) as pool:
        cluster.channel.signal(signal.SIGSTOP)
        try:
            polled = waiting(worker, pool)
            retry(here, worker.task)
            assert len(polled.result()[0]) == 1  # the sweep found it
        finally:
            cluster.channel.signal(signal.SIGCONT)
        cluster.channel.close()
        worker = Worker(there)
        polled = waiting(worker, pool)
        retry(here, worker.task)
        assert len(polled.result()[0]) == 1
        cluster.channel.start()

        def wakes_at_once() -> bool:
            worker = Worker(there)
            polled = waiting(worker, pool)
            retry(here, worker.task)
            asked = time.monotonic()
            return polled.result()[1] - asked < 0.3

        # A sweep is as quick once in a while, hardly ever three times.
        until(lambda: all(wakes_at_once() for _ in range(3)), 60)


def test_a_process_that_is_told_to_end_lets_its_polls_go_and_the_others_answer(cluster):
    member = cluster.web[3]
    worker = Worker(cluster.at(member))
    with ThreadPoolExecutor(1) as pool:
        polled = waiting(worker, pool)
        os.kill(member.pid, signal.SIGTERM)
        assert polled.result()[0] == []
    until(lambda: not _alive(member.pid))
    assert cluster.at(cluster.web[0]).request("GET", "/readyz")[0] == 200
    keeper = cluster.members[-1]
    os.kill(keeper.pid, signal.SIGTERM)
    until(lambda: not _alive(keeper.pid))
    for one in (member, keeper):
        cluster.start(one)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
