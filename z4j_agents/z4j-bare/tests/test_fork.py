"""Forks: whatever our threads are doing, a child works, nothing of it is lost, and nobody waits for us."""

from __future__ import annotations

import os

import pytest

FORKS = 300 if os.environ.get("Z4J_SOAK") == "1" else 50

LOADED = """
import logging, os, signal, sqlite3, sys, threading, time
import z4j_bare

agent = z4j_bare.agent()
agent.role(os.environ.get("ROLE", "worker"), "parent")
agent.emit({"kind": "task.started", "task_id": "parent-first"})

stop = False
def busy(name):
    number = 0
    while not stop:
        agent.emit({"kind": "task.started", "task_id": f"{name}-{number}", "args": "x" * 500})
        agent.state.put(f"{name}", b"1")
        agent.keep(f"{name}-{number}", b"x" * 500)
        number += 1
        if number % 50 == 0:
            time.sleep(0.001)
    return number

threads = [threading.Thread(target=busy, args=(f"busy{n}",), daemon=True) for n in range(2)]
for thread in threads:
    thread.start()
time.sleep(0.5)
hung = failed = 0
slowest = 0.0
for number in range(int(os.environ["FORKS"])):
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        code = 1
        try:
            for i in range(20):
                agent.emit({"kind": "task.started", "task_id": f"child{number}-{i}"})
            agent.state.put(f"child{number}", b"1")
            code = 0 if agent.flush(50) and agent.state.get(f"child{number}") == b"1" else 2
        finally:
            os._exit(code)
    slowest = max(slowest, time.perf_counter() - began)
    _, status = os.waitpid(pid, 0)
    hung += os.WIFSIGNALED(status)
    failed += os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
stop = True
for thread in threads:
    thread.join()
flushed = agent.flush(50)
from z4j_core import safety
print(hung, failed, round(slowest, 3), flushed, dict(safety.failures), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_children_forked_under_load_neither_hang_nor_lose_anything(program, make_agent, brain, wait_for):
    brain.delay = 0.05
    process = program(LOADED, FORKS=str(FORKS))
    line = process.stdout.readline()
    assert line.startswith("0 0 "), line + process.stderr.read()
    assert float(line.split()[2]) < 1.0, "a fork waited for the agent"
    assert line.endswith("True {}\n"), line
    process.stdin.write("\n")
    process.wait()
    brain.delay = 0
    expected = {f"child{number}-{i}" for number in range(FORKS) for i in range(20)} | {"parent-first", "adopter"}
    make_agent().emit({"kind": "task.started", "task_id": "adopter"})
    wait_for(lambda: expected <= brain.task_ids(), 60)
    assert len(brain.boots()) == 2, "the children of a worker share its boot"
    assert brain.duplicates <= 500, "one batch was on its way at the kill; what it held is known again"


def test_a_child_that_is_killed_loses_nothing_that_was_spooled(program, brain, wait_for):
    process = program("""
import os, time, z4j_bare
agent = z4j_bare.agent()
agent.role("worker", "w")
for number in range(10):
    if os.fork() == 0:
        for i in range(100):
            agent.emit({"kind": "task.started", "task_id": f"{number}-{i}"})
        agent.flush(50)
        os.kill(os.getpid(), 9)
for _ in range(10):
    os.wait()
print("done", flush=True)
time.sleep(60)
""")
    assert process.stdout.readline() == "done\n"
    wait_for(lambda: len(brain.task_ids()) == 1000)


def test_children_that_outlive_their_worker_are_heard_by_the_next_one(program, make_agent, brain, wait_for, tmp_path):
    process = program("""
import os, sys, time, z4j_bare
agent = z4j_bare.agent()
agent.role("worker", "w")
if os.fork() == 0:
    agent.emit({"kind": "task.started", "task_id": "before"})
    time.sleep(2.5)
    agent.emit({"kind": "task.started", "task_id": "after"})
    agent.flush(30)
    os._exit(0)
time.sleep(1)
print("up", flush=True)
os.kill(os.getpid(), 9)
""")
    process.stdout.readline()
    next_one = make_agent()
    next_one.emit({"kind": "task.started", "task_id": "next"})

    def heard():
        next_one._boot._orphans._look_at = 0
        return brain.task_ids() == {"before", "after", "next"}

    wait_for(heard)
    wait_for(lambda: len(list((tmp_path / "spool" / "k1").glob("*.lock"))) == 1)


def test_a_producers_child_sends_by_itself_once_its_parent_is_gone(program, brain, wait_for):
    program("""
import os, sys, time, z4j_bare
agent = z4j_bare.agent()
agent.emit({"kind": "task.enqueued", "task_id": "parent"})
agent.flush(30)
if os.fork() == 0:
    time.sleep(1.0)
    agent.emit({"kind": "task.enqueued", "task_id": "child"})
    sys.stdin.readline()
os._exit(0)
""")
    wait_for(lambda: brain.task_ids() == {"parent", "child"})
    assert len(brain.boots()) == 1


def test_a_worker_forked_off_a_producer_is_an_agent_of_its_own(program, brain, wait_for):
    program("""
import os, sys, z4j_bare
agent = z4j_bare.agent()
agent.emit({"kind": "task.enqueued", "task_id": "parent"})
agent.flush(30)
if os.fork() == 0:
    agent.role("worker", "child")
    agent.emit({"kind": "task.started", "task_id": "child"})
sys.stdin.readline()
""")
    wait_for(lambda: brain.task_ids() == {"parent", "child"})
    assert {batch["agent"]["role"] for batch, _, _ in brain.batches} == {"producer", "worker"}
    assert len(brain.boots()) == 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works_as_before(program, brain, wait_for, method, tmp_path):
    path = tmp_path / "pool_program.py"
    path.write_text(f"""
import multiprocessing, z4j_bare
def work(number):
    z4j_bare.agent().emit({{"kind": "task.enqueued", "task_id": f"m{{number}}"}})
    z4j_bare.agent().flush(30)
    return number
if __name__ == "__main__":
    z4j_bare.agent().emit({{"kind": "task.enqueued", "task_id": "main"}})
    with multiprocessing.get_context("{method}").Pool(3) as pool:
        print(sum(pool.map(work, range(30))))
""")
    process = program(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')")
    assert process.stdout.read() == "435\n"
    assert process.wait() == 0
    # Children of a pool are killed, perhaps while they send. Whoever runs next speaks for them, as long as it runs.
    program(
        "import time, z4j_bare; z4j_bare.agent().emit({'kind': 'task.enqueued', 'task_id': 'next'}); time.sleep(60)"
    )
    wait_for(lambda: len(brain.task_ids()) == 32, 50)
