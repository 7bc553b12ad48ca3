"""rq-scheduler's own command, with an adapter that records."""

from __future__ import annotations

import os

import shop
from rq_scheduler.scripts.rqscheduler import main
from z4j_core.testing.recording import RecordingHost
from z4j_rqscheduler.library import RQScheduler

if __name__ == "__main__":
    adapter = RQScheduler()
    adapter.install(RecordingHost(shop.FOLDER, os.environ["SHOP_MODE"], adapter))
    main()
