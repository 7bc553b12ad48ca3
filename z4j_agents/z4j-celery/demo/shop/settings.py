"""Settings of the shop. `z4j_django` in INSTALLED_APPS and the DSN are all that connects it."""

from __future__ import annotations

import os

SECRET_KEY = "not a secret: the shop serves no pages"
INSTALLED_APPS = ["z4j_django", "shop"]
DATABASES: dict[str, dict[str, str]] = {}
USE_TZ = True
TIME_ZONE = "UTC"

Z4J = {"DSN": os.environ["Z4J_DSN"]}

CELERY_BROKER_URL = os.environ["DEMO_REDIS"]
CELERY_RESULT_BACKEND = os.environ["DEMO_REDIS"]
CELERY_RESULT_EXPIRES = 600
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL_RESTARTS = True
CELERY_TASK_DEFAULT_QUEUE = "orders"
CELERY_TASK_ROUTES = {
    "shop.send_receipt": {"queue": "mail"},
    "shop.send_reminder": {"queue": "mail"},
    "shop.export_catalogue": {"queue": "reports"},
    "shop.render_invoice": {"queue": "reports"},
    "shop.summarise_day": {"queue": "reports"},
}
