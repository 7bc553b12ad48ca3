"""The jobs of the tests. Each run of a cron job appends a line to the file of its name."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

FOLDER = Path(os.environ["SHOP_FOLDER"])


def _count(name):
    with (FOLDER / f"ran-{name}").open("a") as file:
        file.write("ran\n")


async def often(ctx):
    _count("often")


async def rarely(ctx):
    _count("rarely")


async def twice(ctx):
    _count("twice")


async def at_start(ctx):
    _count("at_start")


async def alone(ctx):
    await asyncio.sleep(3)


async def made(ctx):
    _count("made")


async def block(ctx, name):
    while not (FOLDER / name).exists():
        time.sleep(0.05)  # noqa: ASYNC251 - what must not be done
