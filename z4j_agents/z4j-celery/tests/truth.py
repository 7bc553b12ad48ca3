"""What `make truth` needs of Celery: a worker, mixed tasks, and what Celery's own result backend says of them."""

from __future__ import annotations

import json
import os
import sys
import time

import z4j_celery
from celery import Celery

#: Of Celery's states, those that end a task.
FINAL = {"SUCCESS": "succeeded", "FAILURE": "failed", "REVOKED": "cancelled"}

app = Celery("truth", broker=os.environ["DEMO_REDIS"], backend=os.environ["DEMO_REDIS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    # What a killed worker had taken and not begun is handed on after this time.
    broker_transport_options={"visibility_timeout": 20},
)


@app.task(name="truth.ok")
def ok(number):
    return number


@app.task(name="truth.fail")
def fail(number):
    raise ValueError(number)


@app.task(name="truth.flaky", bind=True, max_retries=2, default_retry_delay=1)
def flaky(self, number):
    if self.request.retries < 1:
        raise self.retry(exc=KeyError(number))
    return number


@app.task(name="truth.slow")
def slow(number):
    time.sleep(2)
    return number


KINDS = {"ok": ok, "fail": fail, "flaky": flaky, "slow": slow}


def send(count: int) -> dict[str, str]:
    z4j_celery.install()
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    return {KINDS[kind].delay(number).id: kind for number, kind in enumerate(kinds)}


def states(task_ids: list[str]) -> dict[str, str]:
    return {task_id: FINAL.get(app.AsyncResult(task_id).state, "") for task_id in task_ids}


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            app.worker_main(["worker", "-c2", "-n", "truth@%h", "-l", "WARNING"])
        case "send":
            print(json.dumps(send(int(sys.argv[2]))))
        case "states":
            print(json.dumps(states(json.load(sys.stdin))))
