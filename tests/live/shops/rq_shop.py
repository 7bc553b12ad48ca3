"""The shop on RQ: jobs are pickled, headers and progress are a job's meta."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import goods
import z4j_rq
from redis import Redis
from rq import Queue, Retry, get_current_job


def login(user: str, password: str, note: Any, **options: Any) -> dict[str, Any]:
    call = goods.logged_in(user, password, note, options)
    job = get_current_job()
    assert job
    job.meta |= call.progress
    job.save_meta()
    return call.result


def pay(order: str, card_number: str) -> None:
    goods.pay(order)


def send() -> None:
    z4j_rq.install()
    queue = Queue("shop", connection=Redis.from_url(goods.REDIS))
    for name, call in goods.SACK.calls.items():
        task = {"unknown": "rq_shop.unknown", "refused": "rq_shop.pay"}.get(name[:-1], "rq_shop.login")
        job = {"args": call.args, "kwargs": call.kwargs, "meta": dict(call.headers)}
        if name.startswith("later"):
            queue.enqueue_in(timedelta(seconds=goods.LATER), task, **job)
        else:
            queue.enqueue(task, **job, retry=Retry(max=1) if name.startswith("refused") else None)
