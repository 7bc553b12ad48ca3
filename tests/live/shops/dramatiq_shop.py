"""The shop on Dramatiq: messages are JSON, headers are options of a message."""

from __future__ import annotations

from typing import Any

import dramatiq
import goods
import z4j_dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=goods.REDIS)
broker.add_middleware(Results(backend=RedisBackend(url=goods.REDIS)))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="shop", max_retries=0, store_results=True)
def login(user: str, password: str, note: Any, **options: Any) -> dict[str, Any]:
    return goods.logged_in(user, password, note, options).result


@dramatiq.actor(queue_name="shop", max_retries=1, min_backoff=100, max_backoff=200)
def pay(order: str, card_number: str) -> None:
    goods.pay(order)


def send() -> None:
    z4j_dramatiq.install(broker)
    for name, call in goods.SACK.calls.items():
        task = {"unknown": "unknown", "refused": "pay"}.get(name[:-1], "login")
        later = goods.LATER * 1000 if name.startswith("later") else None
        broker.enqueue(dramatiq.Message("shop", task, call.args, call.kwargs, dict(call.headers)), delay=later)
