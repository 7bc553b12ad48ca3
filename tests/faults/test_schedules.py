"""F8: housekeeping is killed while it fires z4j's own schedules. Each due time is fired once, or it is said why not."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from z4j_bare import each
from z4j_core import wire
from z4j_core.adapter import Target
from z4j_core.dsn import DSN
from z4j_core.verbs import RUN_EACH

from tests import wire as sent
from tests.faults.cluster import Cluster, kill
from tests.gateway.conftest import execute
from tests.store import ROOT, PostgresStore, Store

SOAK = bool(os.environ.get("Z4J_SOAK"))
SECONDS, KILL_EVERY = (300 if SOAK else 30), 10
SCHEDULES, HOUSEKEEPING, WORKERS = 1_000, 3, 3
#: Seconds that a due time may wait for an agent before it is reported.
GRACE = 15


@pytest.fixture
def cluster(store: Store, tmp_path: Path) -> Iterator[Cluster]:
    if not isinstance(store, PostgresStore):
        pytest.skip("several processes need PostgreSQL")
    cluster = Cluster(store, tmp_path, web=1, housekeeping=HOUSEKEEPING)
    cluster.start_all()
    yield cluster
    cluster.close()


class Worker(threading.Thread):
    """An agent that sends whatever it is asked to, and remembers when."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.brain, self.boot = cluster.at(cluster.web[0]), uuid.uuid4()
        self.headers = {"Authorization": f"Bearer {DSN.parse(cluster.dsn()).bearer()}"}
        self.enough = threading.Event()
        self.sent: list[tuple[str, str, float]] = []
        able = {verb: {"note": ""} for verb in ("run", RUN_EACH)}
        online = sent.online(1, allowed=tuple(able))
        online["data"]["engines"][0] = {"name": "celery", "version": "5", "capabilities": able}
        body = sent.raw(sent.batch(online, boot=self.boot))
        assert self.brain.request("POST", wire.EVENTS_PATH, body, headers=self.headers)[0] == 200

    def run(self) -> None:
        while not self.enough.is_set():
            for command in self._poll():
                self._answer(command, time.time())

    def _poll(self) -> list[dict[str, Any]]:
        path = f"{wire.COMMANDS_PATH}?boot={self.boot}&wait=2&v=1"
        status, _, body = self.brain.request("GET", path, headers=self.headers)
        return [sent.opened(signed) for signed in json.loads(body)["commands"]] if status == 200 else []

    def _answer(self, command: dict[str, Any], now: float) -> None:
        results = []
        for target in command["targets"]:
            task_id = Target(command=command["id"], item=target["item"]).new_task_id()
            given = each.params(command, target)
            self.sent.append((given["schedule"], task_id, now))
            results.append({"item": target["item"], "outcome": "done", "new_task_id": task_id})
        told = {"v": 1, "boot": str(self.boot), "command": command["id"], "results": results}
        told["fence"] = command["fence"]
        try:
            self.brain.request("POST", wire.RESULTS_PATH, json.dumps(told).encode(), headers=self.headers)
        except (OSError, http.client.HTTPException):
            return


def timetable(cluster: Cluster, *words: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.timetable", *words]
    done = subprocess.run(command, cwd=ROOT, env=cluster.brain.environment(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout) if done.stdout else None


def settle(cluster: Cluster) -> None:
    """Until every firing has been answered or given up."""
    deadline = time.monotonic() + 300
    query = "SELECT count(*) FROM schedules_run r LEFT JOIN operations_item i ON i.target_id = CAST(r.id AS varchar) "
    query += "AND i.operation_id = r.operation_id WHERE r.state = 'pending' AND i.outcome IS DISTINCT FROM 'done'"
    while execute(cluster.brain, query) != [(0,)]:
        assert time.monotonic() < deadline, execute(cluster.brain, query)
        time.sleep(0.5)


def test_each_due_time_is_fired_once_or_reported_while_housekeeping_is_killed_again_and_again(cluster, capsys):
    workers = [Worker(cluster) for _ in range(WORKERS)]
    timetable(cluster, "put", str(SCHEDULES), str(GRACE))
    for worker in workers:
        worker.start()
    victims = [member for member in cluster.members if member.role == "housekeeping"]
    for turn in range(SECONDS // KILL_EVERY):
        time.sleep(KILL_EVERY)
        victim = victims[turn % HOUSEKEEPING]
        kill(victim.pid)
        cluster.start(victim)
    made = timetable(cluster, "told")["expected"]
    timetable(cluster, "end")
    settle(cluster)
    for worker in workers:
        worker.enough.set()
    for worker in workers:
        worker.join(60)

    told = timetable(cluster, "told")
    check(made, told["runs"], [one for worker in workers for one in worker.sent])
    with capsys.disabled():
        print(f"\n{summary(told['runs'], [one for worker in workers for one in worker.sent])}")


def check(expected: dict[str, list[str]], runs: list[list[Any]], sent_tasks: list[tuple[str, str, float]]) -> None:
    """`expected`: due times that were over a moment before the end; what came due after that may be there, too."""
    fired: dict[str, list[str]] = {key: [] for key in expected}
    for key, due, *_ in runs:
        fired[key].append(due)
    assert all(len(set(dues)) == len(dues) for dues in fired.values())
    assert all(set(expected[key]) <= set(dues) for key, dues in fired.items())
    assert all(dues == sorted(dues) for dues in fired.values())
    assert sum(map(len, expected.values())) > SCHEDULES * SECONDS / 40
    # What was sent is what the runs say, and nobody sent anything twice under another name.
    by_task = {task_id: (key, state, outcome) for key, _, state, task_id, _, outcome in runs if task_id}
    assert len(by_task) == sum(1 for run in runs if run[3])
    assert {(key, task_id) for key, task_id, _ in sent_tasks} <= {(key, pk) for pk, (key, _, _) in by_task.items()}
    answered = {task_id for _, task_id, _ in sent_tasks}
    for task_id, (_, state, outcome) in by_task.items():
        if outcome == "done":
            assert task_id in answered
        else:
            assert state in ("reported", "unknown")


def summary(runs: list[list[Any]], sent_tasks: list[tuple[str, str, float]]) -> str:
    late = sorted(run[4] for run in runs if run[4] is not None)
    due = {run[3]: datetime.fromisoformat(run[1]).timestamp() for run in runs}
    came = sorted(at - due[task_id] for _, task_id, at in sent_tasks)
    states = ", ".join(f"{number} {state}" for state, number in Counter(run[2] for run in runs).items())
    told = f"{len(runs)} due times ({states}); fired late by p50 {_at(late, 0.5):.0f} ms, p99 {_at(late, 0.99):.0f} ms"
    return f"{told}; at an agent after p50 {_at(came, 0.5) * 1000:.0f} ms, p99 {_at(came, 0.99) * 1000:.0f} ms"


def _at(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0
