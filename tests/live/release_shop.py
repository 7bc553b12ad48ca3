"""A shop on Huey, whose store is a file. An order that is called bad fails the first time."""

from __future__ import annotations

import os
from pathlib import Path

import z4j_huey
from huey import SqliteHuey

FOLDER = Path(os.environ["SHOP_FOLDER"])
huey = SqliteHuey("shop", filename=str(FOLDER / "huey.db"))
z4j_huey.attach(huey)


@huey.task()
def order(name: str) -> str:
    with (FOLDER / "ran").open("a") as file:
        file.write(f"{name}\n")
    if name.startswith("bad") and (FOLDER / "ran").read_text().split().count(name) == 1:
        raise RuntimeError("nothing left of it")
    return name
