"""Customers: orders come in, cards are charged, receipts go out, and something long is always running."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from celery import chain, chord, group
from celery.result import AsyncResult
from django.core.management.base import BaseCommand

from shop import tasks

CITIES = ("Bergen", "Ghent", "Porto", "Turin", "Vienna")
SKUS = ("lamp-oak", "mug-blue", "rug-grey", "vase-tall", "chair-ash")


class Command(BaseCommand):
    help = "Send tasks until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        export: AsyncResult[str] | None = None
        for step in steps():
            if export is None or export.ready():
                export = tasks.export_catalogue.delay(random.choice(CITIES), products=random.randint(300, 600))
            step()
            time.sleep(random.uniform(1, 3))


def steps() -> Iterator[Callable[[], object]]:
    """First one of everything, failures early; then the mix of an ordinary day."""
    numbers = itertools.count(1000)
    everything = [declined, offline, receipt, picture_set, parcel, rates, invoice, reminder, day]
    for kind in everything:
        yield lambda kind=kind: kind(next(numbers))
    while True:
        kind = random.choices(everything, weights=[1, 2, 24, 1, 4, 1, 3, 3, 1])[0]
        yield lambda kind=kind: kind(next(numbers))


def declined(number: int) -> object:
    return charge(number - number % 5)


def offline(number: int) -> object:
    """The next order whose terminal will be offline once: Retry brings it through."""
    return charge(next(n for n in itertools.count(number) if n % 3 == 0 and n % 5))


def charge(number: int) -> object:
    card = f"4111 1111 1111 {random.randint(1000, 9999)}"
    return tasks.charge_card.delay(f"order-{number}", f"{random.randint(5, 250)}.90 EUR", card_number=card)


def receipt(number: int) -> object:
    return tasks.send_receipt.delay(f"order-{number}", f"customer{number}@example.org")


def reminder(number: int) -> object:
    return tasks.send_reminder.apply_async((f"order-{number}",), {"days": 3}, countdown=random.randint(20, 90))


def invoice(number: int) -> object:
    return tasks.render_invoice.delay(f"order-{number}", pages=random.randint(1, 5))


def rates(_: int) -> object:
    return tasks.fetch_rates.delay(random.choice(("CHF", "NOK", "SEK", "USD")))


def parcel(number: int) -> object:
    reserve = tasks.reserve_stock.s(f"order-{number}", random.choice(SKUS))
    return chain(reserve, tasks.pack.s(), tasks.ship.s(random.choice(("DHL", "PostNord"))))()


def picture_set(_: int) -> object:
    return group(tasks.resize_picture.s(random.choice(SKUS), width) for width in (320, 640, 1280))()


def day(_: int) -> object:
    return chord([tasks.count_sales.s(city) for city in CITIES], tasks.summarise_day.s())()
