"""The Django project of the tests."""

from __future__ import annotations

SECRET_KEY = "nothing here is signed"
INSTALLED_APPS = ["dramatiq_crontab", "desk"]
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
