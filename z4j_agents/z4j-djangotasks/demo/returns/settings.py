"""Settings of the returns desk. `z4j_django` in INSTALLED_APPS and the DSN are all that connects it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

SECRET_KEY = "not a secret: the desk serves no pages"
# Before Django 6 its tasks come from the backport.
BACKPORT = [] if importlib.util.find_spec("django.tasks") else ["django_tasks"]
INSTALLED_APPS = ["z4j_django", *BACKPORT, "django_tasks_db", "returns"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(os.environ["DEMO_FOLDER"]) / "returns.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
    }
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "post"]}}
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Z4J = {"DSN": os.environ["Z4J_DSN"]}
