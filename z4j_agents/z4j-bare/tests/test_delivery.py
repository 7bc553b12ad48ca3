"""Sending: whatever the brain does, every event is answered for exactly once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from z4j_bare.config import Config
from z4j_bare.runtime import Agent


def emit(agent: Agent, count: int, prefix: str = "t") -> set[str]:
    ids = {f"{prefix}{number}" for number in range(count)}
    for task_id in sorted(ids):
        agent.emit({"kind": "task.started", "engine": "toy", "task_id": task_id})
    return ids


def test_events_arrive_with_who_sent_them(make_agent, brain, wait_for):
    agent = make_agent()
    ids = emit(agent, 1000)
    wait_for(lambda: brain.task_ids() == ids)
    batch = brain.batches[0][0]
    assert batch["v"] == 1
    assert batch["first"] == batch["events"][0]["seq"] == 1
    assert batch["agent"].keys() == {"name", "host", "pid", "role"}
    assert brain.kinds().count("agent.online") == 1
    assert brain.headers[0]["Authorization"].startswith("Bearer z4ja_k1_")
    assert "s" * 43 not in str(brain.headers), "the secret travelled"


def test_a_brain_that_is_down_then_slow_then_broken_loses_nothing(make_agent, brain, wait_for, monkeypatch):
    monkeypatch.setattr("z4j_bare.outage.LAST", 0.3)
    agent = make_agent()
    ids = emit(agent, 300, "up")
    wait_for(lambda: brain.task_ids() == ids)
    brain.stop()
    ids |= emit(agent, 700, "down")
    time.sleep(0.5)
    brain.answer = lambda batch: 503 if time.monotonic() % 0.4 < 0.2 else 200
    brain.delay = 0.1
    brain.start()
    ids |= emit(agent, 700, "slow")
    wait_for(lambda: brain.task_ids() == ids)
    brain.stop()
    brain.answer, brain.delay = (lambda batch: 200), 0
    ids |= emit(agent, 100, "again")
    brain.start()
    wait_for(lambda: brain.task_ids() == ids)
    wait_for(agent._boot.spool.is_empty)
    found = agent._boot.spool.counters()
    assert found["created"] == found["accepted"] + found["duplicate"]
    assert found["accepted"] + found["duplicate"] == brain.accepted + brain.duplicates


def test_a_batch_that_got_no_answer_is_sent_again_byte_for_byte(make_agent, brain, wait_for, monkeypatch):
    monkeypatch.setattr("z4j_bare.outage.LAST", 0.2)
    answers = iter([500, 502, 503])
    brain.answer = lambda batch: next(answers, 200)
    agent = make_agent()
    emit(agent, 50)
    wait_for(lambda: brain.accepted >= 50)
    first = [(body, tries) for batch, body, tries in brain.batches if batch["first"] == 1]
    assert len({body for body, _ in first}) == 1
    assert [tries for _, tries in first] == [1, 2, 3, 4]


def test_one_event_the_brain_refuses_does_not_hold_up_the_others(make_agent, brain, wait_for):
    brain.answer = lambda batch: 400 if any(event.get("task_id") == "t77" for event in batch["events"]) else 200
    agent = make_agent()
    ids = emit(agent, 200)
    wait_for(lambda: brain.task_ids() == ids - {"t77"})
    wait_for(agent._boot.spool.is_empty)
    counters = agent._boot.spool.counters()
    assert counters["rejected"] == 1
    assert counters["created"] == counters["accepted"] + 1


def test_with_a_revoked_key_events_wait_and_the_log_says_it_once(make_agent, brain, wait_for, monkeypatch, caplog):
    monkeypatch.setattr("z4j_bare.outage.SLOW", (0.05, 0.1))
    brain.answer = lambda batch: 401
    agent = make_agent()
    ids = emit(agent, 20)
    wait_for(lambda: len(brain.batches) >= 4)
    assert [record.message for record in caplog.records if "refuses us" in record.message] == [
        "The z4j brain refuses us (poison); events wait in the spool."
    ]
    brain.answer = lambda batch: 200
    wait_for(lambda: brain.task_ids() == ids)


def test_stop_sends_the_rest_and_leaves_no_files(make_agent, brain, tmp_path):
    agent = make_agent()
    ids = emit(agent, 1500)
    agent.stop()
    assert brain.task_ids() == ids
    assert brain.kinds().count("agent.offline") == 1
    assert not list((tmp_path / "spool" / "k1").glob("*-*-*"))


def test_stop_takes_two_seconds_at_most_when_the_brain_does_not_answer(make_agent, brain):
    brain.delay = 30
    agent = make_agent()
    emit(agent, 10)
    time.sleep(0.3)
    began = time.monotonic()
    agent.stop()
    assert time.monotonic() - began < 6, "two seconds, and what a busy machine adds"


def test_an_orphaned_spool_is_sent_as_who_it_was_and_then_deleted(program, make_agent, brain, wait_for, tmp_path):
    brain.stop()
    dead = program(
        "import os, z4j_bare\n"
        "for i in range(500): z4j_bare.agent().emit({'kind': 'task.started', 'task_id': f'o{i}'})\n"
        "z4j_bare.agent().flush(30)\n"
        "print(os.getpid(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    pid = int(dead.stdout.readline())
    dead.wait()
    folder = tmp_path / "spool" / "k1"
    boot = next(folder.glob("*.lock")).stem
    brain.start()
    agent = make_agent()
    agent.emit({"kind": "task.started", "task_id": "mine"})
    wait_for(lambda: brain.task_ids() == {f"o{i}" for i in range(500)} | {"mine"})
    wait_for(lambda: [path.stem for path in folder.glob("*-*-*.lock")] == [agent._boot.id])
    assert not list(folder.glob(f"{boot}*"))
    assert {batch["agent"]["pid"] for batch, _, _ in brain.batches if batch["boot"] == boot} == {pid}


def test_a_spool_whose_processes_live_is_left_alone(program, make_agent, brain, wait_for, tmp_path):
    brain.answer = lambda batch: 503 if batch["agent"]["name"] == "first" else 200
    alive = program(
        "import sys, z4j_bare\n"
        "z4j_bare.agent().role('worker', 'first')\n"
        "z4j_bare.agent().emit({'kind': 'task.started', 'task_id': 'first'})\n"
        "z4j_bare.agent().flush(30)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    alive.stdout.readline()
    agent = make_agent()
    agent.emit({"kind": "task.started", "task_id": "second"})
    wait_for(lambda: brain.task_ids() == {"second"})
    time.sleep(0.5)
    assert brain.task_ids() == {"second"}
    assert len(list((tmp_path / "spool" / "k1").glob("*.db-wal"))) >= 2


@pytest.mark.parametrize("dsn", ["https://", "http://z4ja_k1_x@example.com/p/e?key=f", "https://z4ja_k1_x@h:port/p/e"])
def test_a_dsn_that_cannot_be_used_is_named_in_one_sentence_without_its_secret(dsn):
    with pytest.raises(ValueError, match="Z4J_DSN") as found:
        Config.read({"DSN": dsn}, {})
    assert "x@" not in str(found.value)


def test_settings_are_read_from_the_environment_below_what_is_given(tmp_path: Path):
    dsn = "https://z4ja_k1_x@example.com/p/e?key=f"
    environ = {"Z4J_DSN": dsn, "Z4J_ALLOW": "purge, restart", "Z4J_READ_ONLY": "yes", "Z4J_REDACTION": "redact"}
    config = Config.read({"REDACTION": "shapes", "DENY": ["cancel"]}, environ)
    assert (config.redaction, config.read_only) == ("shapes", True)
    assert (config.allow, config.deny) == ({"purge", "restart"}, {"cancel"})
    assert Config.read({}, {}) is None
    for wrong in ({"REDACTION": "off"}, {"READ_ONLY": "maybe"}, {"RATE": "1/s"}, {"SPOOL_CAP": "1"}, {"DNS": "x"}):
        with pytest.raises(ValueError, match="Z4J"):
            Config.read(wrong, environ)
