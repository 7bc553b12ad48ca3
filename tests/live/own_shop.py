"""A shop on Huey, which has no scheduler that one can add to while it runs: z4j keeps its schedule."""

from __future__ import annotations

import os
from pathlib import Path

import z4j_huey
from huey import SqliteHuey

FOLDER = Path(os.environ["SHOP_FOLDER"])
huey = SqliteHuey("shop", filename=str(FOLDER / "huey.db"))
z4j_huey.attach(huey)


@huey.task()
def report(number: int, *, to: str) -> None:
    """A line for each time that it ran."""
    with (FOLDER / "ran").open("a") as file:
        file.write(f"{number} {to}\n")
