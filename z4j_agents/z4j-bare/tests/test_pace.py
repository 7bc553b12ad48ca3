"""A worker at full speed: what it says arrives shortly after, and what could not be kept is said aloud."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time

import pytest
from z4j_bare import batch, losses, writer
from z4j_bare.outage import Outage

BUSY = """
import json, sys, time, z4j_bare
agent = z4j_bare.agent()
agent.role("worker", "busy")
told = agent.redactor.call(("order", "customer"), (4711,), {"customer": "ann"})
for line in sys.stdin:
    for number in range(int(line)):
        args, kwargs, _ = agent.redactor.call(("order", "customer"), (number,), {"customer": "ann"})
        task = {"engine": "toy", "task_id": f"t{number}", "name": "shop.pay", "run": number}
        agent.emit(task | {"kind": "task.received", "args": args, "kwargs": kwargs})
        agent.emit(task | {"kind": "task.started"})
        agent.emit(task | {"kind": "task.succeeded", "result": "None"})
    agent.flush(60)
    print(json.dumps(agent._boot.spool.counters()), flush=True)
"""
#: Of these none can be dropped: they have room in memory, however little of the machine our threads get.
BURST = writer.ROOM[batch.STEP] // 3


@pytest.fixture
def busy(program, wait_for):
    """A worker's process: it emits so many tasks as fast as it can, and tells its counters."""
    process = program(BUSY)

    def emit(tasks):
        process.stdin.write(f"{tasks}\n")
        return json.loads(process.stdout.readline())

    def settled(seconds=120):
        wait_for(lambda: emit(0)["spooled"] == 0, seconds)
        return emit(0)

    emit.settled = settled
    return emit


def test_a_burst_as_fast_as_a_process_can_emit_is_accepted_whole(busy, brain):
    created = busy(BURST)["created"]
    found = busy.settled()
    assert found["created"] == found["accepted"] == created > 3 * BURST
    assert found["dropped"] == {}
    assert len(brain.task_ids()) == BURST


def test_whatever_the_pace_each_event_is_accepted_or_counted_as_dropped_and_the_backlog_ends(busy, brain):
    busy(15_000)
    found = busy.settled()
    assert found["created"] >= 45_000
    assert found["created"] == found["accepted"] + sum(found["dropped"].values())
    assert found["accepted"] == brain.accepted
    assert found["dropped"].keys() <= {"memory"}


def test_a_backlog_is_sent_in_full_batches_over_one_connection(busy, brain, wait_for):
    brain.answer = lambda batch: 503
    spooled = busy(BURST)["spooled"]
    brain.answer = lambda batch: 200
    brain.connections.clear()
    before = len(brain.batches)
    busy.settled()
    sizes = [len(sent["events"]) for sent, _, _ in brain.batches[before:]]
    assert sum(sizes) >= spooled
    assert sizes.count(500) >= spooled // 500 - 1
    assert len(brain.connections) <= 2  # the other one polls


def test_a_full_spool_is_said_in_the_log_once_a_minute_and_to_the_brain(make_agent, brain, wait_for, caplog):
    brain.answer = lambda batch: 503
    agent = make_agent(SPOOL_CAP="1048576")
    for number in range(15_000):
        agent.emit({"kind": "task.started", "task_id": f"t{number}", "args": "x" * 200})
        if number % 1000 == 0:
            agent.flush(30)
    agent.flush(30)
    wait_for(lambda: said(caplog))
    wait_for(lambda: agent._losses._look_at > time.monotonic() + losses.LOOK_EVERY / 2)
    assert len(said(caplog)) == 1
    assert "because the spool is full (Z4J_SPOOL_CAP)" in said(caplog)[0]
    brain.answer = lambda batch: 200
    wait_for(agent._boot.spool.is_empty, 60)
    wait_for(lambda: told(brain), 90)
    dropped = told(brain)[-1]["dropped"]
    assert dropped["full"] > 1000
    agent.stop()
    assert len(said(caplog)) <= 2


def test_a_spool_that_cannot_be_written_is_said_too(make_agent, wait_for, caplog):
    agent = make_agent()
    agent.emit({"kind": "task.started", "task_id": "t"})
    agent.flush(30)
    with contextlib.closing(sqlite3.connect(agent._boot.spool.file.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(writer.ROOM[batch.STEP] + 5000):
            agent.emit({"kind": "task.started", "task_id": f"t{number}"})
        wait_for(lambda: said(caplog), 60)
        other.execute("ROLLBACK")
    assert "they came faster than they could be written" in said(caplog)[0]
    wait_for(lambda: agent._boot.spool.dropped().get("memory", 0) > 0, 60)


def test_a_brain_that_asks_to_be_left_alone_is_left_alone_although_another_thread_got_through():
    mine, other = Outage(), Outage()
    mine.stand_beside(other)
    mine.failed("is busy (503)", 30.0)
    other.failed("is unreachable")
    other.over()
    assert mine.resting
    mine.over()
    mine.failed("is unreachable")
    other.failed("is unreachable")
    other.over()
    assert not mine.resting


def said(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "z4j_bare.losses" and record.levelno == logging.WARNING
    ]


def told(brain):
    """What heartbeats of agents said of their counters."""
    with brain._lock:
        events = list(brain.stored.values())
    counters = [event["data"]["counters"] for event in events if event["kind"] == "agent.heartbeat"]
    return [found for found in counters if found["dropped"]]
