"""What the agent costs a Celery worker: time of its hooks, and processor time of a no-op task.

    PYTHONPATH=. .venv-z4j-celery/bin/python z4j_agents/z4j-celery/tests/bench_hooks.py [--pairs 7] [--tasks 500]

Everything is real: Valkey, `celery worker` (prefork, 2), the agent with its spool in `redact` mode, and an HTTP server
that takes its events, pinned to one core; the worker has another. With the agent, without, and with Celery's own events
(`-E`) take turns. A hook's time is the processor time of the user's thread between two receivers of the same signal,
one connected before the adapter and one after, while real tasks are sent, received and run.
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
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import psutil
import z4j_bare
from celery import signals
from celery.contrib.testing.worker import start_worker
from celery_rig import HERE, CeleryRig
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening

from tests.bench import rows

#: Which signals tell of what: the hooks of one event belong together.
HOOKS = {
    "published": ("before_task_publish", "after_task_publish"),
    "received": ("task_received",),
    "started": ("task_prerun",),
    "ended": ("task_success", "task_postrun"),
}
TWO = (4711,), {"customer": "ann"}
ORDER = {
    "order": 4711,
    "customer": {
        "id": 991,
        "name": "Ann Lee",
        "city": "Hamburg",
        "note": "ring twice, then leave it with the neighbour",
    },
    "lines": [{"sku": f"AB-{n:05}", "title": f"Teapot no. {n}", "quantity": n, "price": 19.99} for n in range(11)],
    "comment": "The parcel was handed to the carrier on Monday and will arrive in three days, said the clerk. " * 2,
}
KILOBYTE = (ORDER,), {}
WITHOUT, WITH, EVENTS = "without", "with", "-E"


class BenchRig(CeleryRig):
    """Its worker loads the plain shop: the adapter comes by the `celery` command, if there is a DSN."""

    def start(self, mode=""):
        pass

    @contextmanager
    def worker(self, queue, dsn="", *options):
        """A worker of its own queue; its process id."""
        command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-c2", "-lERROR", "-Q", queue, "-n", queue]
        environ = {**os.environ, "Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(self.folder / queue)}
        with (self.folder / "bench.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--without-gossip", *options], cwd=HERE, env=environ, stdout=log, stderr=log
            )
        pin(1, worker.pid)
        try:
            self.send(queue, 20)
            yield worker.pid
        finally:
            worker.terminate()
            worker.wait(60)

    def send(self, queue, tasks):
        """Have them run, all of them."""
        self.app.backend.client.flushdb()
        for number in range(tasks):
            self.app.send_task("shop.ok", (number,), queue=queue)
        wait_for(lambda: self.app.backend.client.dbsize() >= tasks, 120, "all tasks")

    def work(self, queue, pid, tasks):
        """CPU milliseconds of the worker's processes for each of `tasks` no-op tasks."""
        before = cpu(pid)
        self.send(queue, tasks)
        time.sleep(1)  # what the agent has still to send counts too
        return (cpu(pid) - before) * 1000 / tasks


def pin(core, pid=0):
    """One core for the worker, another for whoever listens to it: as far as there are two."""
    cores = sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))
    os.sched_setaffinity(pid, {cores[core % len(cores)]})


def cpu(pid):
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.cpu_times().user + process.cpu_times().system for process in tree)


class Stopwatch:
    """A receiver before those of the adapter and one after: what lies between is its hook."""

    def __init__(self):
        self.costs = defaultdict(list)
        self._began = 0
        self._kept = []

    def before(self):
        self._connect(lambda name: self._begin)

    def after(self):
        self._connect(lambda name: lambda **_: self.costs[name].append((time.thread_time_ns() - self._began) / 1000))

    def _begin(self, **_):
        self._began = time.thread_time_ns()

    def _connect(self, receiver):
        for name in (name for names in HOOKS.values() for name in names):
            self._kept.append(receiver(name))
            getattr(signals, name).connect(self._kept[-1], weak=False, dispatch_uid=f"bench.{len(self._kept)}")

    def of(self, *names):
        """Microseconds of each event of these hooks."""
        return [sum(costs) for costs in zip(*(self.costs[name] for name in names), strict=False)]


def hooks(rig, dsn, tasks):
    """Microseconds by payload and kind of event, of hooks in a process that sends tasks and runs them."""
    rig.app.task(name="shop.take")(take)
    watch, found = Stopwatch(), {}
    watch.before()
    z4j_bare.configure(DSN=dsn, SPOOL_DIR=tempfile.mkdtemp(dir=rig.folder), REDACTION="redact", ENGINES="celery")
    assert z4j_bare.agent().engines["celery"].hooks
    watch.after()
    for payload, (args, kwargs) in {"small": TWO, "large": KILOBYTE}.items():
        watch.costs.clear()
        for _ in range(tasks):
            rig.app.send_task("shop.take", args, kwargs)
        # Sent before, so that whoever runs them is not interrupted by whoever sends them.
        with start_worker(rig.app, pool="solo", perform_ping_check=False, loglevel="ERROR", shutdown_timeout=60):
            wait_for(lambda: len(watch.costs["task_postrun"]) >= tasks, 120, "all tasks")
        found[payload] = {event: watch.of(*names) for event, names in HOOKS.items()}
    z4j_bare.configure()
    return found


def take(order, customer=None):
    return order


def hooks_apart(folder, dsn, tasks):
    """`hooks` in a process of its own."""
    command = [sys.executable, __file__, "--hooks", dsn, "--folder", folder, "--tasks", str(tasks)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


def tasks_in_turn(rig, dsn, pairs, tasks):
    """CPU milliseconds of a task in three workers that take turns."""
    costs = defaultdict(list)
    with rig.worker("plain") as plain, rig.worker("seen", dsn) as seen, rig.worker("own", "", "-E") as own:
        for _ in range(pairs):
            costs[WITHOUT].append(rig.work("plain", plain, tasks))
            costs[WITH].append(rig.work("seen", seen, tasks))
            costs[EVENTS].append(rig.work("own", own, tasks))
    return costs


def told(found, costs):
    """The rows."""
    middle = statistics.median
    small = {event: middle(each) for event, each in found["small"].items()}
    large = {event: middle(each) for event, each in found["large"].items()}
    every = [cost for each in found["small"].values() for cost in each]
    plain, own = middle(costs[WITHOUT]), middle(costs[EVENTS])
    ratios = [one / other for one, other in zip(costs[WITH], costs[WITHOUT], strict=True)]
    return [
        rows.at_most("hook, two small arguments: median", middle(every), "us", 50),
        *(rows.shown(f"hook, two small arguments: {event}", cost, "us") for event, cost in small.items()),
        rows.at_most("hook, 1 KB: median", max(large["published"], large["received"]), "us", 300),
        *(rows.shown(f"hook, 1 KB: {event}", cost, "us") for event, cost in large.items()),
        rows.within("worker CPU per no-op task, with agent / without", plain * middle(ratios), "ms", 1.25, plain),
        rows.shown("worker CPU per no-op task, with Celery's own -E", own, "ms", plain),
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=7)
    options.add_argument("--tasks", type=int, default=500)
    options.add_argument("--hooks", help=argparse.SUPPRESS)
    options.add_argument("--folder", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.hooks:
        pin(1)
        with BenchRig(Path(tempfile.mkdtemp(dir=asked.folder))) as rig:
            print(json.dumps(hooks(rig, asked.hooks, asked.tasks)))
        return
    with listening() as sink, tempfile.TemporaryDirectory() as folder, BenchRig(Path(folder)) as rig:
        found = hooks_apart(folder, sink.dsn, asked.tasks)
        pin(0)
        costs = tasks_in_turn(rig, sink.dsn, asked.pairs, asked.tasks)
    rows.tell(told(found, costs))


if __name__ == "__main__":
    main()
