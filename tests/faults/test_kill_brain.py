"""F1: the brain is killed in the middle of ingest, again and again. What it acknowledged is there, once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from z4j_core import fold as folding

from tests.brain import Brain
from tests.faults.senders import Sender
from tests.gateway.conftest import execute
from tests.store import ROOT, Store

KILLS = 20


class Nursery:
    def __init__(self, brain: Brain) -> None:
        self.brain, self.child = brain, 0
        with (brain.data_dir / "brain.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.nursery"]
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=brain.environment(), stdin=pipe, stdout=pipe, stderr=log
            )

    def start(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(b"start\n")
        self.process.stdin.flush()
        self.child = int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill it, and wait until it is gone and its port free."""
        os.kill(self.child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.child, 0)
                time.sleep(0.01)

    def is_ready(self) -> bool:
        try:
            return self.brain.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while not self.is_ready():
            assert time.monotonic() < deadline, self.brain.log
            time.sleep(0.02)

    def close(self) -> None:
        self.kill()
        self.process.communicate()


@pytest.fixture
def nursery(store: Store, tmp_path: Path) -> Iterator[Nursery]:
    brain = Brain(store, tmp_path / "brain")
    nursery = Nursery(brain)
    yield nursery
    nursery.close()
    brain.close()


def test_no_acknowledged_event_is_lost_and_none_is_double(nursery):
    chance = random.Random()
    senders = [Sender(nursery.brain, number) for number in range(2)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        nursery.start()
        nursery.wait()
        _wait_for_more(senders) if chance.random() < 0.7 else None
        time.sleep(chance.uniform(0, 0.3))
        nursery.kill()
    nursery.start()
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join(60)

    assert not any(sender.is_alive() for sender in senders)
    assert [sender.refusals for sender in senders] == [[], []]
    assert all(sender.repeats and len(sender.acknowledged) > KILLS / 4 * sender.size for sender in senders)
    assert all(sender.counted == len(sender.acknowledged) for sender in senders)
    _check_events(nursery.brain, senders)
    _check_tasks(nursery.brain)


def _wait_for_more(senders: list[Sender]) -> None:
    """Until some batch has been acknowledged; a brain that is killed each time before that proves little."""
    before, deadline = [len(sender.acknowledged) for sender in senders], time.monotonic() + 3
    while [len(sender.acknowledged) for sender in senders] == before and time.monotonic() < deadline:
        time.sleep(0.01)


def _check_events(brain: Brain, senders: list[Sender]) -> None:
    """Each acknowledged event is stored once, and nothing else is."""
    rows = execute(brain, "SELECT a.boot, e.seq FROM tasks_event e JOIN agents_agent a ON a.id = e.agent_id")
    stored = sorted((uuid.UUID(str(boot)), seq) for boot, seq in rows)
    assert stored == sorted((sender.boot, seq) for sender in senders for seq in sender.acknowledged)


def _check_tasks(brain: Brain) -> None:
    """Every row is the fold of its events."""
    query = "SELECT t.id, t.state, t.fold_key, e.data, a.boot FROM tasks_task t "
    query += "JOIN tasks_event e ON e.task_id = t.id JOIN agents_agent a ON a.id = e.agent_id"
    tasks: dict[int, list[object]] = {}
    shown = {}
    for pk, state, key, data, boot in execute(brain, query):
        event = data if isinstance(data, dict) else json.loads(data)
        shown[pk] = (state, key)
        tasks.setdefault(pk, []).append((folding.order_key(event, str(uuid.UUID(str(boot)))), event))
    for pk, keyed in tasks.items():
        row = folding.fold(None, sorted(keyed, key=lambda one: one[0]))
        assert (row["state"], row["fold_key"]) == shown[pk]
