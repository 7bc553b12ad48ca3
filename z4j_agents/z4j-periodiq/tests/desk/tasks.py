"""Actors with schedules, as dramatiq-crontab looks for them."""

from __future__ import annotations

import os
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq_crontab import cron, interval
from z4j_core.testing.recording import RecordingHost
from z4j_periodiq.crontab import DramatiqCrontab

dramatiq.set_broker(RedisBroker(url=os.environ["SHOP_BROKER"]))
adapter = DramatiqCrontab()
adapter.install(RecordingHost(Path(os.environ["SHOP_FOLDER"]), os.environ["SHOP_MODE"], adapter))


@interval(seconds=1)
@dramatiq.actor
def often(): ...


@cron("0 3 1 1 *")
@dramatiq.actor(queue_name="later")
def rarely(): ...


@cron("30 18 * * Sun")
@cron("30 9 * * Mon-Fri")
@dramatiq.actor
def twice(): ...


@dramatiq.actor
def made(name, password=""): ...
