"""Engines by name; what each of them needs in Django stands here, and nothing of it is about z4j but two lines."""

from __future__ import annotations

import os
from pathlib import Path

ENGINES = os.environ["SHOP_ENGINES"].split()
BROKER = os.environ["SHOP_BROKER"]
FOLDER = Path(os.environ["SHOP_FOLDER"])
_APPS = {
    "dramatiq": ["django_dramatiq"],
    "djangotasks": ["django_tasks", "django_tasks_db"],
    "huey": ["huey.contrib.djhuey"],
    "rq": ["django_rq"],
}

SECRET_KEY = "x"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["z4j_django", "shop", *(app for engine in ENGINES for app in _APPS.get(engine, []))]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "shop.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
    }
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Z4J = {"REDACTION": "redact"} if os.environ.get("Z4J_DSN") else {}

CELERY_BROKER_URL = BROKER
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker",
    "OPTIONS": {"url": BROKER},
    "MIDDLEWARE": ["dramatiq.middleware.AgeLimit", "dramatiq.middleware.Retries"],
}
HUEY = {"name": "shop", "huey_class": "huey.RedisHuey", "immediate": False, "connection": {"url": BROKER}}
RQ_QUEUES = {"default": {"URL": BROKER}}
RQ = {"WORKER_CLASS": "z4j_rq.Worker"}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}} if "djangotasks" in ENGINES else {}
