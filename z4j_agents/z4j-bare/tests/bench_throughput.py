"""How many events a second one process can emit, how many of them reach the spool, and how fast a backlog is sent.

    PYTHONPATH=. .venv/bin/python z4j_agents/z4j-bare/tests/bench_throughput.py [--tasks 10000]

One process emits tasks of three events each, with two arguments redacted, as fast as it can and does nothing else: no
engine is that fast. A real brain takes them, on another core; the limit of sending is the same brain fed with batches
made beforehand, over one connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from z4j_bare import batch
from z4j_core import wire
from z4j_core.dsn import DSN

from tests.bench import rows
from tests.brain import Brain
from tests.store import open_store

AGENT = """
import json, sys, time, uuid, z4j_bare
agent = z4j_bare.agent()
agent.role("worker", "busy")
spool, call = agent._boot.spool, agent.redactor.call
agent.flush(20)
time.sleep(2)
before, began = spool.counters(), time.monotonic()
worked = time.thread_time()
for number in range(int(sys.argv[1])):
    args, kwargs, _ = call(("order", "customer"), (number,), {"customer": "ann"})
    task = {"engine": "toy", "task_id": str(uuid.uuid4()), "name": "shop.pay", "queue": "orders", "run": number + 1}
    agent.emit(task | {"kind": "task.received", "args": args, "kwargs": kwargs})
    agent.emit(task | {"kind": "task.started"})
    agent.emit(task | {"kind": "task.succeeded", "result": "None", "runtime_ms": 1.5})
emitted, worked = time.monotonic() - began, time.thread_time() - worked
agent.flush(60)
spooled, found = time.monotonic() - began, spool.counters()
dropped = sum(found["dropped"].values())
told = {"emitted": 3 * number / emitted, "cpu_us": worked / 3 / number * 1e6, "dropped": dropped}
told["spooled"] = (found["created"] - before["created"] - dropped) / spooled
backlog, began = found["spooled"], time.monotonic()
while (left := spool.counters()["spooled"]) > backlog // 20 and time.monotonic() - began < 90:
    time.sleep(0.1)
told |= {"backlog": backlog, "sent": (backlog - left) / (time.monotonic() - began)}
print(json.dumps(told), flush=True)
agent.stop()
"""


@contextmanager
def brain(folder: Path) -> Iterator[Brain]:
    """A real one on an empty database, on the first core."""
    store = open_store(folder / "store")
    found = Brain(store, folder / "brain")
    try:
        found.start()
        assert found.process
        pin(found.process.pid, 0)
        yield found
    finally:
        found.close()
        store.close()


def pin(pid: int, core: int) -> None:
    cores = sorted(os.sched_getaffinity(os.getpid()))
    os.sched_setaffinity(pid, {cores[core % len(cores)]})


def agent(brain: Brain, tasks: int, folder: Path) -> dict[str, Any]:
    environ = os.environ | {"Z4J_DSN": brain.dsn(), "Z4J_SPOOL_DIR": str(folder / "spool"), "Z4J_REDACTION": "redact"}
    command = [sys.executable, "-c", AGENT, str(tasks)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        pin(process.pid, 1)
        return dict(json.loads(process.communicate()[0]))


def taken(brain: Brain, batches: int) -> float:
    """Events a second that the brain takes from one connection, when making and keeping them costs nothing."""
    boot, size = uuid.uuid4(), wire.MAX_EVENTS
    bodies = [_body(boot, number * size + 1, size) for number in range(batches)]
    dsn = DSN.parse(brain.dsn())
    connection = http.client.HTTPConnection("127.0.0.1", brain.port, timeout=60)
    headers = {"Authorization": f"Bearer {dsn.bearer()}", "Content-Encoding": "gzip"}
    began = time.monotonic()
    for body in bodies:
        connection.request("POST", wire.EVENTS_PATH, body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()
    return batches * size / (time.monotonic() - began)


def _body(boot: uuid.UUID, first: int, size: int) -> bytes:
    kinds = ("task.received", "task.started", "task.succeeded")
    events = [
        (seq, batch.encode({"kind": kinds[seq % 3], "ts": time.time_ns() // 1000, **_task(boot, seq // 3)}))
        for seq in range(first, first + size)
    ]
    return batch.freeze(str(boot), wire.Identity(name="made", host="h", pid=1, role="worker"), events)


def _task(boot: uuid.UUID, number: int) -> dict[str, Any]:
    return {"engine": "toy", "task_id": f"{boot}-{number}", "name": "shop.pay", "queue": "orders", "run": number + 1}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tasks", type=int, default=10_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name, brain(Path(name)) as found:
        told = agent(found, asked.tasks, Path(name))
        limit = taken(found, max(10, asked.tasks // 500))
    rows.tell(
        [
            rows.shown("agent: events emitted a second, nothing else to do", told["emitted"], "events/s"),
            rows.shown("agent: CPU of an emitted event, redacted", told["cpu_us"], "us"),
            rows.shown("agent: events spooled a second meanwhile", told["spooled"], "events/s", told["emitted"]),
            rows.shown("agent: events dropped at that pace", told["dropped"], "events"),
            rows.at_least("agent: events of a backlog sent a second", told["sent"], "events/s", 0.5, limit),
        ]
    )


if __name__ == "__main__":
    main()
