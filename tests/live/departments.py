"""The demo's departments as the tests of actions find them: what to run in each, and the file by which it is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


def _alone(word: str) -> dict[str, Any]:
    return {"args": [word]}


@dataclass(frozen=True)
class Department:
    """`once` is a task that leaves `file` behind, with the word it was given, and fails the first time it sees that
    word. `long` runs for many seconds. `queue` is where `once` goes by itself; `other`: one more of the same worker.
    `sends` is a program that puts `once` into a queue as the department's own code would, and prints its id; its
    arguments are the word and the queue. `spare` starts one more worker, which takes from the queue of that name and
    can what the first was not started for. `lags`: for so many seconds a paused worker may still take what it was
    waiting for.
    """

    package: str
    queue: str
    once: str
    file: str
    given: Callable[[str], dict[str, Any]] = _alone
    word: Callable[[int], str] = "word-{}".format
    long: str = ""
    long_given: Mapping[str, Any] | None = None
    other: str = ""
    sends: str = ""
    settings: str = ""
    spare: str = ""
    lags: float = 0


_DJANGO = "import sys, django; django.setup(); "
DEPARTMENTS = {
    "arq": Department(
        "z4j-arq", "shipping", "book_courier", "courier-{}", long="follow_van", long_given={"args": ["van", 60]}
    ),
    "celery": Department(
        "z4j-celery",
        "orders",
        "shop.charge_card",
        "charge-{}",
        given=lambda word: {"args": [word, "1 EUR"], "kwargs": {"card_number": "none"}},
        word=lambda number: f"order-{15 * number + 3}",
        long="shop.export_catalogue",
        long_given={"args": ["Bergen"], "kwargs": {"products": 600}},
        other="mail",
        settings="shop.settings",
        spare="-m celery -A shop worker --autoscale 2,1 --queues spare --hostname spare@%h --loglevel INFO",
        sends=_DJANGO + "from shop.tasks import charge_card as task; "
        "print(task.apply_async((sys.argv[1], '1 EUR'), {'card_number': 'none'}, queue=sys.argv[2]).id)",
    ),
    "djangotasks": Department(
        "z4j-djangotasks",
        "default",
        "returns.tasks.print_label",
        "label-{}",
        other="post",
        settings="returns.settings",
        sends=_DJANGO + "from returns.tasks import print_label; print(print_label.enqueue(sys.argv[1]).id)",
    ),
    "dramatiq": Department(
        "z4j-dramatiq",
        "letters",
        "find_house",
        "house-{}",
        long="drive_round",
        long_given={"args": [50]},
        other="parcels",
    ),
    "huey": Department(
        "z4j-huey",
        "stock",
        "stock.order_more",
        "order-{}",
        given=lambda word: {"args": [word], "kwargs": {"pieces": 1}},
        long="stock.move_pallet",
        long_given={"args": ["pallet", 60]},
    ),
    "rq": Department(
        "z4j-rq",
        "accounts",
        "reports.fetch_statement",
        "statement-{}",
        long="reports.export_ledger",
        long_given={"args": [5], "queue": "exports"},
        spare="-m rq.cli worker-pool --num-workers 1 spare",
        lags=3,
        other="exports",
        sends="import os, sys, z4j_rq; from redis import Redis; from rq import Queue; z4j_rq.install(); "
        "print(Queue(sys.argv[2], connection=Redis.from_url(os.environ['DEMO_REDIS'])).enqueue("
        "(sys.argv[3:] or ['reports.fetch_statement'])[0], sys.argv[1]).id)",
    ),
    "taskiq": Department(
        "z4j-taskiq", "photos", "photos:upload", "upload-{}", long="photos:cut_film", long_given={"args": ["film", 60]}
    ),
}
