"""What `make truth` needs of taskiq: a worker, mixed tasks, and what taskiq's own result backend says of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from truth_app import KINDS, broker


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
            os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", "truth_app:broker", *options])
        case "send":
            print(json.dumps(asyncio.run(send(int(sys.argv[2])))))
        case "states":
            print(json.dumps(asyncio.run(states(json.load(sys.stdin)))))
