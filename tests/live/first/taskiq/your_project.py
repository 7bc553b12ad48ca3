"""A project on taskiq, as it was before z4j, and the place where its line goes."""

from __future__ import annotations

import asyncio
import os

from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["BROKER"], socket_timeout=None)
# after the line that makes the broker


@broker.task
async def letter(to):
    return to


async def _send():
    await broker.startup()
    await letter.kiq("ann")
    await broker.shutdown()


def send():
    asyncio.run(_send())
