"""The worker of the tests, with an adapter whose host records."""

from __future__ import annotations

import os

import shop
import z4j_arq
from arq import cron, func
from arq.connections import RedisSettings
from z4j_core.testing.recording import RecordingHost

engine = z4j_arq.ArqEngine()
engine.install(RecordingHost(shop.FOLDER, os.environ.get("SHOP_MODE", "redact"), engine))


class WorkerSettings:
    functions = [
        shop.ok, shop.fail, func(shop.flaky, max_tries=3), shop.slow, shop.hold, shop.block, shop.die, shop.login,
        shop.count, shop.order,
    ]  # fmt: skip
    cron_jobs = [cron(shop.tick, run_at_startup=True, hour=3)] if os.environ.get("SHOP_CRON") else []
    redis_settings = RedisSettings.from_dsn(os.environ["SHOP_REDIS"])
    queue_name = "orders"
    max_jobs = 2
    poll_delay = 0.1
    job_timeout = float(os.environ.get("SHOP_TIMEOUT", "120"))
    job_completion_wait = 1
    allow_abort_jobs = os.environ.get("SHOP_ABORT") == "yes"


WorkerSettings = z4j_arq.instrument(WorkerSettings)
