"""How much memory a worker's process takes more because the agent is in it.

    PYTHONPATH=. .venv/bin/python z4j_agents/z4j-bare/tests/bench_memory.py [--tasks 20000] [--rounds 3]

Each number is the median over fresh processes: one that only has what any worker has (TLS, HTTP, JSON, SQLite), one
that has a working agent beside it, and the same after a burst of tasks. The brain is a sink in this process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from z4j_core.testing.sink import listening

from tests.bench import rows

PLAIN = "import http.client, json, logging, sqlite3, ssl, threading, uuid\n"
AGENT = """
import time, z4j_bare
from z4j_core.engine import Engine
class Toy(Engine):
    name = "toy"
    def worker(self):
        return {"host": "h", "pid": 1, "queues": ["q"], "running": []}
    def queues(self):
        return [{"name": "q", "depth": 1}]
    def retry(self, target, params):
        raise NotImplementedError
z4j_bare.attach(Toy())
agent = z4j_bare.agent()
agent.role("worker", "w")
time.sleep(3)
"""
TASKS = """
for number in range({tasks}):
    task = {{"engine": "toy", "task_id": f"t{{number}}", "name": "shop.pay", "run": number, "args": "x" * 200}}
    agent.emit(task | {{"kind": "task.started"}})
    agent.keep(f"t{{number}}", b"x" * 300)
    agent.emit(task | {{"kind": "task.succeeded"}})
    if number % 100 == 0:
        time.sleep(0.02)
agent.flush(20)
time.sleep(2)
"""
TELL = """
import os
with open("/proc/self/statm") as facts:
    print(int(facts.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""


def measure(source: str, dsn: str) -> int:
    """Bytes in use at the end of a program."""
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": folder}
        told = subprocess.run(
            [sys.executable, "-c", source + TELL], env=environ, capture_output=True, check=True, text=True
        )
        return int(told.stdout)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tasks", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    programs = {"plain": PLAIN, "idle": PLAIN + AGENT, "busy": PLAIN + AGENT + TASKS.format(tasks=asked.tasks)}
    with listening() as sink:
        sizes = {
            name: statistics.median(measure(source, sink.dsn) for _ in range(asked.rounds))
            for name, source in programs.items()
        }
    plain, idle, busy = (sizes[name] / 1024**2 for name in ("plain", "idle", "busy"))
    rows.tell(
        [
            rows.shown("memory of a process without the agent", plain, "MB"),
            rows.shown("memory that the agent adds", idle - plain, "MB", plain),
            rows.shown(f"memory that the agent adds, after {asked.tasks:,} tasks", busy - plain, "MB", plain),
        ]
    )


if __name__ == "__main__":
    main()
