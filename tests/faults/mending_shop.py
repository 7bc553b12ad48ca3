"""The Celery app of the bulk test: a task that fails the first time, and leaves a line behind with every run."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

FOLDER = Path(os.environ["SHOP_FOLDER"])

app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.update(task_default_queue="orders", broker_connection_retry_on_startup=True, task_ignore_result=True)


@app.task(name="shop.mend")
def mend(number: int) -> None:
    """A line of a file is written in one go, however many do so at once."""
    with (FOLDER / "runs" / str(number)).open("a") as file:
        file.write("ran\n")
        file.flush()
        if file.tell() == len("ran\n"):
            raise ConnectionError("the relay is away")


def send(total: int) -> None:
    with app.pool.acquire(block=True) as connection, app.amqp.Producer(connection) as producer:
        for number in range(total):
            mend.apply_async((number,), producer=producer)
