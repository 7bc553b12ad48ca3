"""What the shops of all engines do alike: each task is full of canaries, and what our own code logs is kept apart.

Engines log arguments and results as they like: z4j's loggers write to a file of their own, at every level.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from canaries import Call, Sack, refuse

ENGINE = os.environ["SHOP_ENGINE"]
FOLDER = Path(os.environ["SHOP_FOLDER"])
REDIS = os.environ["SHOP_REDIS"]
SACK = Sack(os.environ["SHOP_SEED"], ENGINE)
#: Seconds until what is sent for later is due.
LATER = 2

handler = logging.FileHandler(FOLDER / "z4j.log")
for name in ("z4j_core", "z4j_bare", f"z4j_{ENGINE}"):
    logging.getLogger(name).addHandler(handler)
    logging.getLogger(name).setLevel(logging.DEBUG)


def logged_in(user: str, password: str, note: Any, options: dict[str, Any]) -> Call:
    """What it was given stands in a file that nobody but the test reads: it did arrive."""
    with (FOLDER / "seen").open("a") as file:
        file.write(repr(([user, password, note], options)) + "\n")
    return SACK.call_of(user)


def pay(order: str) -> None:
    """It fails whenever it is tried, each time with other canaries."""
    tries = FOLDER / f"tries-{order}"
    before = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (before + 1))
    refuse(SACK.call_of(order), before)


def tried(order: str) -> int:
    return len((FOLDER / f"tries-{order}").read_text())
