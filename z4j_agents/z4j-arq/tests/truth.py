"""What `make truth` needs of arq: a worker, mixed jobs, and what arq's own results say of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import z4j_arq
from arq import Retry
from arq.connections import RedisSettings, create_pool
from arq.jobs import Job

FOLDER = Path(os.environ["DEMO_FOLDER"])
REDIS = RedisSettings.from_dsn(os.environ["DEMO_REDIS"])
QUEUE = "truth"


async def ok(ctx, number):
    return number


async def fail(ctx, number):
    raise ValueError(number)


async def flaky(ctx, number):
    if ctx["job_try"] == 1:
        raise Retry(defer=0.5) from KeyError(number)
    return number


async def slow(ctx, number):
    await asyncio.sleep(2)
    return number


@z4j_arq.instrument
class WorkerSettings:
    functions = [ok, fail, flaky, slow]
    redis_settings = REDIS
    queue_name = QUEUE
    max_jobs = 2
    # What a killed worker held is run again 10 s after this.
    job_timeout = 10


def work() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.execv(sys.executable, [sys.executable, "-m", "arq", "truth.WorkerSettings"])


async def send(count: int) -> dict[str, str]:
    pool = z4j_arq.observe(await create_pool(REDIS, default_queue_name=QUEUE))
    order = ["ok", "fail", "ok", "flaky", "ok"] * 3 + ["slow"]
    kinds = [order[number % len(order)] for number in range(count)]
    sent = {(await pool.enqueue_job(kind, number)).job_id: kind for number, kind in enumerate(kinds)}
    await pool.connection_pool.disconnect()
    return sent


async def states(task_ids: list[str]) -> dict[str, str]:
    pool = await create_pool(REDIS, default_queue_name=QUEUE)
    found = {task_id: _state(await Job(task_id, pool).result_info()) for task_id in task_ids}
    await pool.connection_pool.disconnect()
    return found


def _state(result) -> str:
    if result is None:
        return ""
    if isinstance(result.result, asyncio.CancelledError):
        return "cancelled"
    return "succeeded" if result.success else "failed"


if __name__ == "__main__":
    match sys.argv[1]:
        case "worker":
            work()
        case "send":
            print(json.dumps(asyncio.run(send(int(sys.argv[2])))))
        case "states":
            print(json.dumps(asyncio.run(states(json.load(sys.stdin)))))
