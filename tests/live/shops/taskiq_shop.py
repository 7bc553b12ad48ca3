"""The shop on taskiq: messages are JSON, headers are labels, and a scheduler sends what is for later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import goods
import z4j_taskiq
from taskiq import SimpleRetryMiddleware, TaskiqDepends, TaskiqScheduler
from taskiq.depends.progress_tracker import ProgressTracker, TaskState
from taskiq.kicker import AsyncKicker
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource, RedisAsyncResultBackend

broker = (
    ListQueueBroker(goods.REDIS, queue_name="shop", socket_timeout=None)
    .with_result_backend(RedisAsyncResultBackend(goods.REDIS, result_ex_time=600))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=2), z4j_taskiq.Z4J())
)
source = ListRedisScheduleSource(goods.REDIS)
scheduler = TaskiqScheduler(broker, [source])
PROGRESS: Any = TaskiqDepends()


@broker.task(task_name="shop:login")
async def login(
    user: str, password: str, note: Any, progress: ProgressTracker[Any] = PROGRESS, **options: Any
) -> dict[str, Any]:
    call = goods.logged_in(user, password, note, options)
    await progress.set_progress(TaskState.STARTED, meta=call.progress)
    return call.result


@broker.task(task_name="shop:pay", retry_on_error=True, max_retries=2)
async def pay(order: str, card_number: str) -> None:
    goods.pay(order)


async def _send() -> None:
    await broker.startup()
    await source.startup()
    for name, call in goods.SACK.calls.items():
        task = {"unknown": "shop:unknown", "refused": "shop:pay"}.get(name[:-1], "shop:login")
        labels = {"retry_on_error": True, "max_retries": 2} if task == "shop:pay" else {}
        kicker: AsyncKicker[Any, Any] = AsyncKicker(task, broker, labels | call.headers)
        if name.startswith("later"):
            due = datetime.now(UTC) + timedelta(seconds=goods.LATER)
            await kicker.schedule_by_time(source, due, *call.args, **call.kwargs)
        else:
            await kicker.kiq(*call.args, **call.kwargs)
    await broker.shutdown()


def send() -> None:
    asyncio.run(_send())
