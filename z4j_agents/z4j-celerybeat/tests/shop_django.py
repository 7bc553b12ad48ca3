"""Settings of a Django project that has nothing but schedules."""

from __future__ import annotations

import os

SECRET_KEY = "not a secret: it serves no pages"
INSTALLED_APPS = ["django_celery_beat"]
USE_TZ = True
TIME_ZONE = "UTC"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(os.environ["SHOP_FOLDER"], "django.sqlite3"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
