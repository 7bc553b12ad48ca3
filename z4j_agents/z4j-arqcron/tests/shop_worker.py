"""The worker of the tests, with an adapter whose host records."""

from __future__ import annotations

import os

import shop
from arq import cron
from arq.connections import RedisSettings
from z4j_arqcron import ArqCron
from z4j_core.testing.recording import FolderStore, RecordingHost

adapter = ArqCron()
#: Each worker records by itself; what they remember they share.
place = shop.FOLDER / os.environ.get("SHOP_PLACE", "")
place.mkdir(exist_ok=True)
host = RecordingHost(place, os.environ.get("SHOP_MODE", "redact"), adapter)
host.state = FolderStore(shop.FOLDER / "state")
adapter.install(host)


async def started(ctx):
    """As the agent does when an engine's adapter tells it that this is a worker."""
    assert adapter.capabilities()
    host.role("worker", "shop")


class WorkerSettings:
    functions = [shop.made, shop.block]
    cron_jobs = [
        cron(shop.often, second=set(range(0, 60, 2))),
        cron(shop.rarely, month=1, day=1, hour=3, minute=30),
        cron(shop.twice, weekday={0, 4}, hour=9, minute=0),
        cron(shop.twice, day=1, weekday="mon", hour=9, minute=0),
        cron(shop.alone, second=set(range(0, 60, 2)), job_id="one-at-a-time"),
        cron(shop.at_start, hour=3, minute=0, run_at_startup=True, unique=False),
    ]
    redis_settings = RedisSettings.from_dsn(os.environ["SHOP_REDIS"])
    queue_name = "orders"
    poll_delay = 0.1
    on_startup = started
