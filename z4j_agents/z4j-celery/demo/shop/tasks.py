"""What the shop does in the background: quick, slow, failing, retrying, scheduled, and joined in canvases."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from celery import Task, shared_task

_SEEN = Path(os.environ["DEMO_FOLDER"])


class CardDeclined(Exception):
    """The bank said no. It will say no again."""


class TerminalOffline(Exception):
    """The card terminal did not answer. It answers the next time."""


class RatesUnavailable(Exception):
    """The exchange rates were not there yet."""


@shared_task(name="shop.send_receipt")
def send_receipt(order: str, email: str) -> str:
    time.sleep(random.uniform(0.02, 0.2))
    return f"receipt of {order} sent to {email.partition('@')[2]}"


@shared_task(name="shop.send_reminder")
def send_reminder(order: str, *, days: int) -> str:
    time.sleep(random.uniform(0.02, 0.1))
    return f"reminded about {order} after {days} days"


@shared_task(name="shop.render_invoice")
def render_invoice(order: str, *, pages: int) -> dict[str, object]:
    time.sleep(0.6 * pages)
    return {"order": order, "pages": pages, "format": "pdf"}


@shared_task(name="shop.charge_card")
def charge_card(order: str, amount: str, *, card_number: str) -> dict[str, str]:
    """Every fifth card is declined for ever; every third finds the terminal offline, once."""
    time.sleep(random.uniform(0.05, 0.3))
    number = int(order.partition("-")[2])
    if number % 5 == 0:
        raise CardDeclined(f"the bank declined {amount} for {order}")
    if number % 3 == 0 and _first_time(f"charge-{order}"):
        raise TerminalOffline(f"terminal 7 did not answer while charging {order}")
    return {"order": order, "charged": amount}


@shared_task(
    name="shop.fetch_rates",
    bind=True,
    autoretry_for=(RatesUnavailable,),
    max_retries=4,
    retry_backoff=2,
    retry_jitter=False,
)
def fetch_rates(self: Task, currency: str) -> dict[str, object]:
    """The bank publishes late: the third attempt finds the rates."""
    time.sleep(0.1)
    if self.request.retries < 2:
        raise RatesUnavailable(f"no rates for {currency} yet")
    return {"currency": currency, "rate": round(random.uniform(0.8, 1.4), 4)}


@shared_task(name="shop.export_catalogue", bind=True)
def export_catalogue(self: Task, shop: str, *, products: int) -> str:
    """Runs for 30 to 60 seconds, so that there is always something to cancel."""
    for _ in range(products):
        time.sleep(0.1)
    return f"{products} products of {shop}"


@shared_task(name="shop.reserve_stock")
def reserve_stock(order: str, sku: str) -> str:
    time.sleep(random.uniform(0.05, 0.2))
    return order


@shared_task(name="shop.pack")
def pack(order: str) -> str:
    time.sleep(random.uniform(0.2, 0.6))
    return order


@shared_task(name="shop.ship")
def ship(order: str, carrier: str) -> str:
    time.sleep(random.uniform(0.05, 0.2))
    return f"{order} with {carrier}"


@shared_task(name="shop.resize_picture")
def resize_picture(sku: str, width: int) -> str:
    time.sleep(random.uniform(0.1, 0.3))
    return f"{sku}-{width}.webp"


@shared_task(name="shop.count_sales")
def count_sales(city: str) -> int:
    time.sleep(random.uniform(0.1, 0.3))
    return random.randint(20, 200)


@shared_task(name="shop.summarise_day")
def summarise_day(counts: list[int]) -> dict[str, int]:
    return {"shops": len(counts), "sales": sum(counts)}


def _first_time(name: str) -> bool:
    """Whether nobody asked before, in any process: making a file succeeds once."""
    try:
        (_SEEN / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
