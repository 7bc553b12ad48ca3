"""The shop's warehouse, on Huey: counting, ordering, moving pallets. Nothing in the tasks knows of z4j."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import z4j_huey
from huey import RedisHuey

FOLDER = Path(os.environ["DEMO_FOLDER"])

huey = RedisHuey("stock", url=os.environ["DEMO_REDIS"])
z4j_huey.attach(huey)


class SupplierBusy(Exception):
    """The supplier takes no orders just now. A moment later it does."""


@huey.task()
def count_shelf(shelf: str) -> int:
    time.sleep(random.uniform(0.1, 0.5))
    return random.randint(0, 80)


@huey.task()
def order_more(sku: str, *, pieces: int) -> str:
    """Each order finds the supplier busy once."""
    seen = FOLDER / f"order-{sku}"
    if not seen.exists():
        seen.touch()
        raise SupplierBusy(f"nobody answered about {sku}")
    return f"{pieces} of {sku} are on their way"


@huey.task(retries=3, retry_delay=3)
def weigh_parcel(parcel: str) -> float:
    """The scale needs a second look now and then."""
    if random.random() < 0.4:
        raise TimeoutError("the scale does not settle")
    return round(random.uniform(0.1, 9.9), 2)


@huey.task()
def move_pallet(pallet: str, metres: int) -> str:
    for _ in range(metres * 10):
        time.sleep(0.1)
    return f"{pallet} moved {metres} m"


def main() -> None:
    for number in range(10**9):
        count_shelf(f"{random.choice('ABCDEF')}{number % 40}")
        if number % 5 == 1:
            order_more(f"sku-{number}", pieces=random.randint(1, 20))
        if number % 4 == 2:
            weigh_parcel(f"parcel-{number}")
        if number % 11 == 3:
            move_pallet(f"pallet-{number}", random.randint(10, 25))
        if number % 9 == 4:
            count_shelf.schedule(args=("Z1",), delay=60)
        time.sleep(random.uniform(2, 4))
