"""Of a project that has no pages and no database: its actors and when they are sent."""

from __future__ import annotations

SECRET_KEY = "nothing here is signed"
INSTALLED_APPS = ["dramatiq_crontab", "greenhouse"]
USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"
