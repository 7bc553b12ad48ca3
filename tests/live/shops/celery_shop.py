"""The shop on Celery: arguments are JSON, a retry is raised, progress is a state of the result backend."""

from __future__ import annotations

from typing import Any

import goods
import z4j_celery
from celery import Celery, signals

app = Celery("shop", broker=goods.REDIS, backend=goods.REDIS)
app.conf.update(broker_connection_retry_on_startup=True, result_extended=True)


@signals.setup_logging.connect
def leave_the_loggers_alone(**_: Any) -> None:
    pass


@app.task(name="shop.login", bind=True)
def login(self: Any, user: str, password: str, note: Any, **options: Any) -> dict[str, Any]:
    call = goods.logged_in(user, password, note, options)
    self.update_state(state="PROGRESS", meta=call.progress)
    return call.result


@app.task(name="shop.pay", bind=True, max_retries=1, default_retry_delay=0)
def pay(self: Any, order: str, card_number: str) -> None:
    try:
        goods.pay(order)
    except ConnectionError as error:
        if goods.tried(order) == 1:
            raise self.retry(exc=error) from error
        raise


def send() -> None:
    z4j_celery.install()
    for name, call in goods.SACK.calls.items():
        task = {"unknown": "shop.unknown", "refused": "shop.pay"}.get(name[:-1], "shop.login")
        later = goods.LATER if name.startswith("later") else None
        app.send_task(task, call.args, call.kwargs, headers=call.headers, countdown=later)
