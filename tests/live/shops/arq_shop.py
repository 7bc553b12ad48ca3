"""The shop on arq: jobs are pickled, a retry is raised."""

from __future__ import annotations

import asyncio
from typing import Any

import goods
import z4j_arq
from arq import Retry
from arq.connections import RedisSettings, create_pool

REDIS = RedisSettings.from_dsn(goods.REDIS)


async def login(ctx: dict[str, Any], user: str, password: str, note: Any, **options: Any) -> dict[str, Any]:
    return goods.logged_in(user, password, note, options).result


async def pay(ctx: dict[str, Any], order: str, card_number: str) -> None:
    try:
        goods.pay(order)
    except ConnectionError as error:
        if ctx["job_try"] == 1:
            raise Retry(defer=0.1) from error
        raise


@z4j_arq.instrument
class WorkerSettings:
    functions = (login, pay)
    redis_settings = REDIS
    poll_delay = 0.1
    max_tries = 2


async def _send() -> None:
    pool = z4j_arq.observe(await create_pool(REDIS))
    for name, call in goods.SACK.calls.items():
        task = {"unknown": "unknown", "refused": "pay"}.get(name[:-1], "login")
        later = goods.LATER if name.startswith("later") else None
        await pool.enqueue_job(task, *call.args, _defer_by=later, **call.kwargs)
    await pool.aclose()


def send() -> None:
    asyncio.run(_send())
