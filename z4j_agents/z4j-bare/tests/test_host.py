"""The user's process comes first: nothing before it is needed, no output, the same exit code, in microseconds."""

from __future__ import annotations

import re
import statistics
import threading
import time

import z4j_bare
from z4j_core import registered, safety
from z4j_core.engine import Engine

QUIET = """
import os, sys, threading, z4j_bare
from pathlib import Path
agent = z4j_bare.agent()
print(threading.active_count(), Path(os.environ["Z4J_SPOOL_DIR"]).exists(), type(agent).__name__)
"""
USED = """
import sys, z4j_bare
agent = z4j_bare.agent()
agent.emit({"kind": "task.enqueued", "task_id": "t1"})
agent.keep("t1", b"x")
print(agent.original("t1"), agent.flush(), agent.state.get("x"), agent.role("worker", "w"), agent.stop())
agent.emit({"kind": "task.enqueued", "task_id": "late"})
sys.exit(7)
"""


def test_importing_and_asking_for_the_agent_opens_nothing(program):
    assert program(QUIET).communicate()[0] == "1 False Agent\n"


def test_without_a_dsn_everything_may_be_said_and_nothing_happens(program, tmp_path):
    process = program(USED, Z4J_DSN="")
    out, err = process.communicate()
    assert (process.returncode, out, err) == (7, "None True None None None\n", "")
    assert not (tmp_path / "spool").exists()


def test_with_a_dsn_that_is_not_usable_one_sentence_says_so(program, tmp_path):
    process = program(USED, Z4J_DSN="https://example.com/")
    out, err = process.communicate()
    assert (process.returncode, out) == (7, "None True None None None\n")
    assert re.fullmatch(r"The z4j agent stays silent: Z4J_DSN is not usable\. [^\n]+\n", err)
    assert not (tmp_path / "spool").exists()


def test_the_exit_code_and_the_output_of_a_program_are_its_own(program, brain, wait_for, tmp_path):
    process = program(USED)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (7, "b'x' True None None None\n", "")
    assert brain.task_ids() == {"t1", "late"}
    assert not list((tmp_path / "spool" / "k1").glob("*.lock"))


def test_a_program_that_dies_of_an_exception_or_a_signal_does_so_as_before(program, brain, wait_for):
    start = "import os, z4j_bare; z4j_bare.agent().emit({'kind': 'task.enqueued', 'task_id': 'x'}); "
    process = program(start + "raise SystemError('own')")
    assert process.wait() == 1
    assert process.stderr.read().endswith("SystemError: own\n")
    process = program(start + "import time; print(1, flush=True); time.sleep(60)")
    process.stdout.readline()
    process.terminate()
    assert process.wait() == -15


def test_a_brain_that_hangs_delays_the_end_of_a_program_by_two_seconds_at_most(program, brain):
    brain.delay = 30
    process = program("import z4j_bare; z4j_bare.agent().emit({'kind': 'task.enqueued'}); print(1, flush=True)")
    process.stdout.readline()
    began = time.monotonic()
    assert process.wait() == 0
    assert time.monotonic() - began < 6, "two seconds, and what a busy machine adds"


def test_no_place_to_write_means_silence_not_an_error(program, tmp_path):
    (tmp_path / "file").write_text("")
    process = program(USED, Z4J_SPOOL_DIR=str(tmp_path / "file"))
    out, err = process.communicate()
    assert process.returncode == 7
    assert err.count("stays silent") == 1
    assert "Traceback" not in err


def test_a_hook_costs_microseconds(make_agent):
    agent = make_agent()
    agent.emit({"kind": "task.started"})
    costs = []
    for number in range(10_000):
        began = time.perf_counter_ns()
        agent.emit({"kind": "task.started", "engine": "toy", "task_id": f"t{number}", "name": "shop.pay", "args": "[]"})
        costs.append(time.perf_counter_ns() - began)
        if number % 100 == 0:
            time.sleep(0.001)
    assert statistics.median(costs) < 50_000


def test_a_disk_that_takes_nothing_costs_bounded_memory_and_final_events_last(make_agent, monkeypatch):
    agent = make_agent()
    agent.emit({"kind": "task.started"})
    assert agent.flush(30)
    boot = agent._boot
    stored = boot.spool.counters()["created"]
    with boot.writer._emptying:
        for kind in ("task.progress", "task.started", "task.failed"):
            for _ in range(13_000):
                agent.emit({"kind": kind})
        assert len(boot.writer._pending) == 12_000
    assert agent.flush(60)
    counters = boot.spool.counters()
    assert counters["created"] - stored == 39_000
    assert counters["dropped"] == {"memory": 27_000}
    assert boot.spool.drops() == {
        ("task.progress", "memory"): 9_000, ("task.started", "memory"): 9_000, ("task.failed", "memory"): 9_000,
    }  # fmt: skip


def test_events_from_a_signal_handler_on_the_same_thread_do_not_block(program, brain, wait_for):
    process = program("""
import itertools, signal, time, z4j_bare
agent = z4j_bare.agent()
agent.role("worker", "w")
count = itertools.count()
def on_alarm(*args):
    agent.emit({"kind": "task.started", "task_id": f"s{next(count)}"})
    agent.state.put("k", b"v")
    agent.flush(0.2)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.002)
end = time.monotonic() + 3
number = 0
while time.monotonic() < end and number < 5000:
    agent.emit({"kind": "task.started", "task_id": f"n{number}"})
    agent.state.put("k", b"v")
    agent.flush(0.2)
    number += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(number + next(count), agent.flush(30), flush=True)
""")
    out, err = process.communicate(timeout=30)
    total, flushed = out.split()
    assert flushed == "True", err
    assert len(brain.task_ids()) == int(total)


def test_an_engine_that_fails_to_install_or_to_report_hurts_nobody(make_agent, brain, wait_for):
    class Broken(Engine):
        name = "broken"

        def install(self, host):
            raise OSError

        def worker(self):
            raise OSError

    class Foreign(Engine):
        name = "foreign"
        port = 2

    before = safety.failures.copy()
    agent = make_agent()
    agent.add(Broken())
    agent.add(Foreign())
    agent.role("worker", "w")
    agent.emit({"kind": "task.started", "task_id": "t1"})
    wait_for(lambda: brain.task_ids() == {"t1"})
    assert "foreign" not in agent.engines
    assert safety.failures["broken.install"] == before["broken.install"] + 1


def test_a_worker_reports_itself_and_what_may_be_asked_of_it(make_agent, brain, wait_for, monkeypatch):
    monkeypatch.setattr("z4j_bare.heartbeat.EVERY", 0.3)

    class Toy(Engine):
        name = "toy"

        def version(self):
            return "9.9"

        def worker(self):
            return {"host": "h", "pid": 1, "queues": ["q"], "running": []}

        def retry(self, target, params):
            raise AssertionError

    toy = Toy()
    agent = make_agent(DENY="cancel", CODE_VERSION="v7")
    agent.add(toy)
    agent.role("worker", "w@h")
    wait_for(lambda: brain.kinds().count("agent.heartbeat") >= 2)
    agent.stop()
    kinds = brain.kinds()
    assert kinds.count("agent.online") == kinds.count("worker.online") == kinds.count("worker.offline") == 1
    assert kinds.count("agent.offline") == 1
    events = list(brain.stored.values())
    online = next(event["data"] for event in events if event["kind"] == "agent.online")
    assert online["engines"] == [
        {
            "name": "toy",
            "version": "9.9",
            "missing": toy.missing(),
            "advice": [],
            "capabilities": {name: {"note": "", "support": "native"} for name in ("retry", "worker")},
        }
    ]
    assert online["problems"] == []
    assert online["versions"]["code"] == "v7"
    assert online["allowed"] == ["retry"]
    assert "worker" not in online["refused"]
    assert "Z4J_DENY" not in online["refused"].get("retry", "")
    assert len(online["vault"]) == 32
    data = [event["data"] for event in events if event["kind"] == "agent.heartbeat"][-1]
    assert abs(data["clock"]) < 5_000_000
    assert 1024**2 < data["rss"] < 1024**3
    facts = next(event["data"] for event in events if event["kind"] == "worker.heartbeat")
    assert (facts["code"], facts["rss"] > 1024**2) == ("v7", True)
    beat = data["counters"]
    gone = beat["accepted"] + beat["duplicate"] + beat["rejected"] + sum(beat["dropped"].values())
    assert beat["created"] == gone + beat["spooled"]
    assert {event["worker"] for event in events if event["kind"].startswith("worker.")} == {"w@h"}


def test_a_worker_tells_its_tasks_once_when_it_comes_online(make_agent, brain, wait_for, monkeypatch):
    monkeypatch.setattr("z4j_bare.heartbeat.EVERY", 0.3)

    class Toy(Engine):
        name = "toy"

        def worker(self):
            return {"host": "h", "pid": 1, "queues": ["q"], "running": []}

        def tasks(self):
            yield registered.describe("shop.charge", lambda order, retries=3: None)

    agent = make_agent()
    agent.add(Toy())
    agent.role("worker", "w@h")
    wait_for(lambda: "worker.heartbeat" in brain.kinds())
    told = {event["kind"]: event["data"] for event in brain.stored.values() if event["kind"].startswith("worker.")}
    params = [["order", "e", True], ["retries", "e", False]]
    assert told["worker.online"]["tasks"] == [{"name": "shop.charge", "params": params}]
    assert "tasks" not in told["worker.heartbeat"]


def test_after_stop_another_event_starts_a_boot_of_its_own(make_agent, brain, wait_for):
    agent = make_agent()
    agent.emit({"kind": "task.started", "task_id": "one"})
    agent.stop()
    agent.emit({"kind": "task.started", "task_id": "two"})
    wait_for(lambda: brain.task_ids() == {"one", "two"})
    assert len(brain.boots()) == 2


def test_settings_of_a_framework_replace_the_agent_and_uninstall_its_engines(brain, tmp_path):
    class Toy(Engine):
        name = "toy"

    toy = Toy()
    try:
        assert z4j_bare.configure(DSN=brain.dsn, SPOOL_DIR=str(tmp_path / "a"))
        assert z4j_bare.attach(toy)
        assert toy.host is z4j_bare.agent()
        assert z4j_bare.configure(DSN=brain.dsn, SPOOL_DIR=str(tmp_path / "a"))
        assert toy.host is z4j_bare.agent()
        assert not z4j_bare.configure(DSN="")
        assert toy.host is None
        assert not z4j_bare.attach(Toy())
    finally:
        z4j_bare.configure()
    assert threading.active_count() < 20
