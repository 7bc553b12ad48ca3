"""The shop on Huey: tasks are pickled into a file of SQLite."""

from __future__ import annotations

from typing import Any

import goods
import z4j_huey
from huey import SqliteHuey
from huey.api import Task

huey = SqliteHuey("shop", filename=str(goods.FOLDER / "huey.db"))
z4j_huey.attach(huey)


@huey.task()
def login(user: str, password: str, note: Any, **options: Any) -> dict[str, Any]:
    return goods.logged_in(user, password, note, options).result


@huey.task(retries=1)
def pay(order: str, card_number: str) -> None:
    goods.pay(order)


def send() -> None:
    class Unknown(Task):
        """The consumer has none of that name."""

    huey._registry.register(Unknown)
    for name, call in goods.SACK.calls.items():
        if name.startswith("unknown"):
            huey.enqueue(Unknown(call.args, call.kwargs))
        elif name.startswith("later"):
            login.schedule(call.args, call.kwargs, delay=goods.LATER)
        else:
            (pay if name.startswith("refused") else login)(*call.args, **call.kwargs)
