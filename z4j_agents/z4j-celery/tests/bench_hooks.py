"""What the agent costs a Celery worker: time of its hooks in a task, and processor time of a no-op task.

    .venv-z4j-celery/bin/python z4j_agents/z4j-celery/tests/bench_hooks.py [--pairs 2] [--tasks 1000]

Everything is real: Valkey, `celery worker` (prefork, 2), the agent with its spool, and an HTTP server that takes its
events (in this process, whose time does not count). With and without the agent take turns. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import z4j_bare
from celery_rig import HERE, CeleryRig
from z4j_celery import CeleryEngine
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening


class BenchRig(CeleryRig):
    """Its worker loads the plain shop: the adapter comes by the `celery` command, if there is a DSN."""

    def start(self, mode=""):
        pass

    def work(self, tasks, dsn):
        """CPU milliseconds of the worker's processes for each of `tasks` no-op tasks."""
        self.app.backend.client.flushdb()
        command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-c2", "-lERROR", "--without-gossip"]
        environ = {**os.environ, "Z4J_DSN": dsn, "Z4J_SPOOL_DIR": tempfile.mkdtemp(dir=self.folder)}
        with (self.folder / "bench.log").open("ab") as log:
            worker = subprocess.Popen(command, cwd=HERE, env=environ, stdout=log, stderr=log)
        try:
            self.app.send_task("shop.ok", (0,))
            wait_for(lambda: self.app.backend.client.dbsize() >= 1, 30, "the worker")
            time.sleep(1)
            before = cpu(worker.pid)
            for number in range(tasks):
                self.app.send_task("shop.ok", (number,))
            wait_for(lambda: self.app.backend.client.dbsize() >= tasks + 1, 120, "all tasks")
            time.sleep(1.5)  # what the agent has still to send counts too
            return (cpu(worker.pid) - before) * 1000 / tasks
        finally:
            worker.terminate()
            worker.wait(30)


def cpu(pid):
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.cpu_times().user + process.cpu_times().system for process in tree)


def hooks(rig, dsn, rounds=8, times=250):
    """Microseconds of one task's way through Celery's tracer: without and with the real agent's hooks.

    A pause after each task: a worker that does nothing but no-ops would measure its own queue for the interpreter.
    """
    z4j_bare.configure(DSN=dsn, SPOOL_DIR=tempfile.mkdtemp(dir=rig.folder))
    run, host, engine = rig.cycle(), z4j_bare.agent(), CeleryEngine()
    without, with_hooks = [], []
    for turn in range(rounds * 2):
        costs = with_hooks if turn % 2 else without
        if turn % 2:
            engine.install(host)
        for _ in range(times):
            start = time.perf_counter_ns()
            run()
            costs.append((time.perf_counter_ns() - start) / 1000)
            time.sleep(0.001)
        engine.uninstall()
    z4j_bare.configure()
    return without, with_hooks


def hooks_apart(folder, dsn):
    """`hooks` in a process of its own, as a pool child is."""
    told = subprocess.run(
        [sys.executable, __file__, "--hooks", dsn, "--folder", folder], capture_output=True, check=True
    )
    return json.loads(told.stdout)


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=2)
    options.add_argument("--tasks", type=int, default=1000)
    options.add_argument("--hooks", help=argparse.SUPPRESS)
    options.add_argument("--folder", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.hooks:
        with BenchRig(Path(tempfile.mkdtemp(dir=asked.folder))) as rig:
            print(json.dumps(hooks(rig, asked.hooks)))
        return
    with listening() as sink, tempfile.TemporaryDirectory() as folder, BenchRig(Path(folder)) as rig:
        without, with_hooks = hooks_apart(folder, sink.dsn)
        plain, seen = [], []
        for _ in range(asked.pairs):
            plain.append(rig.work(asked.tasks, ""))
            seen.append(rig.work(asked.tasks, sink.dsn))
    report = {
        "hooks_added_us_median": round(statistics.median(with_hooks) - statistics.median(without), 1),
        "hooks_added_us_p99": round(percentile(with_hooks, 0.99) - percentile(without, 0.99), 1),
        "task_us_median_without": round(statistics.median(without), 1),
        "cpu_ms_per_task_without": [round(cost, 3) for cost in plain],
        "cpu_ms_per_task_with": [round(cost, 3) for cost in seen],
        "cpu_ms_per_task_added": round(statistics.median(seen) - statistics.median(plain), 3),
        "events_received": len(sink.events),
    }
    for name, value in report.items():
        print(f"{name:28} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
