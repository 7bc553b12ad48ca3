"""The configuration file of the tests' `rq cron`."""

from __future__ import annotations

import os

import shop
from rq import cron
from z4j_core.testing.recording import RecordingHost
from z4j_rqscheduler import RQCron

if RQCron.installed is None:
    adapter = RQCron()
    adapter.install(RecordingHost(shop.FOLDER, os.environ["SHOP_MODE"], adapter))

secret = {"password": os.environ["SHOP_CANARY"]}
cron.register(shop.note, queue_name="often", args=("often",), kwargs=secret, interval=1, name="often")
cron.register(shop.note, queue_name="rarely", args=("rarely",), cron="0 5 29 2 *", name="rarely")
cron.register(shop.note, queue_name="twin", args=("twin",), cron="0 6 29 2 *")
cron.register(shop.note, queue_name="twin", args=("twin",), cron="0 7 29 2 *")
