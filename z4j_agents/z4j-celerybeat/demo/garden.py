"""The depot's garden, on the other beat: its schedules are in Redis, and one of them waits for spring."""

from __future__ import annotations

import os

from celery.schedules import crontab
from depot import app

__all__ = ["app"]

app.conf.update(
    redbeat_redis_url=os.environ["DEMO_REDIS"],
    redbeat_lock_timeout=60,
    beat_schedule={
        "water-herbs": {"task": "depot.water_plants", "schedule": 45.0, "args": ("the herbs",)},
        "water-tulips": {
            "task": "depot.water_plants",
            "schedule": crontab(minute="*/10"),
            "args": ("the tulips",),
            "enabled": False,
        },
    },
)
