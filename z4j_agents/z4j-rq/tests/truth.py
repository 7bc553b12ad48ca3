"""What `make truth` needs of RQ: a worker, mixed jobs, and what RQ's own jobs and registries say of them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import z4j_rq
from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job

FINAL = {"finished": "succeeded", "failed": "failed", "stopped": "cancelled", "canceled": "cancelled"}
FOLDER = Path(os.environ["DEMO_FOLDER"])


def ok(number):
    return number


def fail(number):
    raise ValueError(number)


def flaky(number):
    seen = FOLDER / f"flaky-{number}"
    if not seen.exists():
        seen.touch()
        raise KeyError(number)
    return number


def slow(number):
    time.sleep(2)
    return number


def connection():
    return Redis.from_url(os.environ["DEMO_REDIS"])


def work() -> None:
    os.environ |= {"RQ_WORKER_CLASS": "z4j_rq.Worker", "PYTHONPATH": str(Path(__file__).parent)}
    # A job whose worker is gone is given up after its heartbeat has run out, at the next maintenance.
    options = ["--with-scheduler", "--maintenance-interval", "10", "--job-monitoring-interval", "5"]
    os.execv(
        sys.executable, [sys.executable, "-m", "rq.cli", "worker", *options, "--url", os.environ["DEMO_REDIS"], "truth"]
    )


def send(count: int) -> dict[str, str]:
    z4j_rq.install()
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    queue = Queue("truth", connection=connection())
    retry = {"flaky": {"retry": Retry(max=2)}}
    return {
        queue.enqueue(f"truth.{kind}", number, result_ttl=3600, **retry.get(kind, {})).id: kind
        for number, kind in enumerate(kinds)
    }


def states(task_ids: list[str]) -> dict[str, str]:
    # RQ gives up what a dead worker held when some worker of the queue looks; it is asked to look now.
    SimpleWorker([Queue("truth", connection=connection())], connection=connection()).clean_registries()
    jobs = Job.fetch_many(task_ids, connection=connection())
    return {job.id: FINAL.get(job.get_status(refresh=False), "") for job in jobs if job is not None}


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            work()
        case "send":
            print(json.dumps(send(int(sys.argv[2]))))
        case "states":
            print(json.dumps(states(json.load(sys.stdin))))
