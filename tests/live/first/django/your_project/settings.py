"""The settings, with what each engine needs in Django, and the places where the lines go."""

from __future__ import annotations

import os
from pathlib import Path

ENGINE, BROKER = os.environ["ENGINE"], os.environ["BROKER"]
APPS = {
    "dramatiq": ["django_dramatiq"],
    "djangotasks": ["django_tasks", "django_tasks_db"],
    "huey": ["huey.contrib.djhuey"],
    "rq": ["django_rq"],
}
SECRET_KEY = "x"
INSTALLED_APPS = ["your_project", *APPS.get(ENGINE, [])]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "db.sqlite3"},
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker",
    "OPTIONS": {"url": BROKER},
    "MIDDLEWARE": ["dramatiq.middleware.AgeLimit", "dramatiq.middleware.Retries"],
}
HUEY = {"huey_class": "huey.RedisHuey", "immediate": False, "connection": {"url": BROKER}}
RQ_QUEUES = {"default": {"URL": BROKER}}
if ENGINE == "djangotasks":
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# in settings.py
# at the end of settings.py
