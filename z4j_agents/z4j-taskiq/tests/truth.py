"""What `make truth` needs of taskiq: a worker, mixed tasks, and what taskiq's own result backend says of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import z4j_taskiq
from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = os.environ["DEMO_REDIS"]

broker = (
    ListQueueBroker(REDIS, queue_name="truth", socket_timeout=None)
    .with_result_backend(RedisAsyncResultBackend(REDIS, result_ex_time=3600))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=3), z4j_taskiq.Z4J())
)


@broker.task
async def ok(number):
    return number


@broker.task
async def fail(number):
    raise ValueError(number)


@broker.task(retry_on_error=True)
async def flaky(number):
    seen = FOLDER / f"flaky-{number}"
    if not seen.exists():
        seen.touch()
        raise KeyError(number)
    return number


@broker.task
async def slow(number):
    await asyncio.sleep(2)
    return number


KINDS = {"ok": ok, "fail": fail, "flaky": flaky, "slow": slow}


async def send(count: int) -> dict[str, str]:
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    sent = {(await KINDS[kind].kiq(number)).task_id: kind for number, kind in enumerate(kinds)}
    await broker.shutdown()
    return sent


async def states(task_ids: list[str]) -> dict[str, str]:
    found = {}
    for task_id in task_ids:
        if not await broker.result_backend.is_result_ready(task_id):
            found[task_id] = ""
            continue
        result = await broker.result_backend.get_result(task_id)
        found[task_id] = "failed" if result.is_err else "succeeded"
    await broker.shutdown()
    return found


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            os.environ["PYTHONPATH"] = str(Path(__file__).parent)
            options = ["--workers", "1", "--max-async-tasks", "2", "--receiver", "z4j_taskiq:Receiver"]
            os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", "truth:broker", *options])
        case "send":
            # As the module that the worker imports, so that the tasks have one name.
            sys.path.insert(0, str(Path(__file__).parent))
            print(json.dumps(asyncio.run(__import__("truth").send(int(sys.argv[2])))))
        case "states":
            print(json.dumps(asyncio.run(states(json.load(sys.stdin)))))
