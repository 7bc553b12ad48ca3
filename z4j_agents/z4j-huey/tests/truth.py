"""What `make truth` needs of Huey: a consumer, mixed tasks, and what Huey's own result store says of them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import z4j_huey
from huey import RedisHuey
from huey.utils import Error

huey = RedisHuey("truth", url=os.environ["DEMO_REDIS"])
if __name__ != "__main__":  # the script imports itself: one app in a process
    z4j_huey.attach(huey)


@huey.task()
def ok(number):
    return number + 1


@huey.task()
def fail(number):
    raise ValueError(number)


@huey.task(retries=2, retry_delay=1, context=True)
def flaky(number, task=None):
    if task.retries == 2:
        raise KeyError(number)
    return number + 1


@huey.task()
def slow(number):
    time.sleep(2)
    return number + 1


KINDS = {"ok": ok, "fail": fail, "flaky": flaky, "slow": slow}


def send(count: int) -> dict[str, str]:
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    return {KINDS[kind](number).id: kind for number, kind in enumerate(kinds)}


def states(task_ids: list[str]) -> dict[str, str]:
    found = {task_id: huey.get(task_id, peek=True) for task_id in task_ids}
    return {
        one: "" if kept is None else "failed" if isinstance(kept, Error) else "succeeded" for one, kept in found.items()
    }


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            os.environ["PYTHONPATH"] = str(Path(__file__).parent)
            consumer = str(Path(sys.executable).with_name("huey_consumer"))
            os.execv(sys.executable, [sys.executable, consumer, "truth.huey", "-w", "2", "-d", "0.1"])
        case "send":
            # As the module that the consumer imports, so that the tasks have one name.
            sys.path.insert(0, str(Path(__file__).parent))
            print(json.dumps(__import__("truth").send(int(sys.argv[2]))))
        case "states":
            print(json.dumps(states(json.load(sys.stdin))))
