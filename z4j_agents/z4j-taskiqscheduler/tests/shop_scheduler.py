"""The scheduler of the tests, with an adapter whose host records."""

from __future__ import annotations

import os
from pathlib import Path

from shop import broker, scheduler
from taskiq import TaskiqMiddleware
from z4j_core.testing.recording import RecordingHost
from z4j_taskiqscheduler import TaskiqScheduler

adapter = TaskiqScheduler()
host = RecordingHost(Path(os.environ["SHOP_FOLDER"]), os.environ.get("SHOP_MODE", "redact"), adapter)
adapter.install(host)


class Started(TaskiqMiddleware):
    async def startup(self):
        """As the agent does when an engine's adapter tells it that this is a scheduler."""
        assert adapter.capabilities()
        host.role("scheduler", "shop")


broker.add_middlewares(Started())
__all__ = ["scheduler"]
