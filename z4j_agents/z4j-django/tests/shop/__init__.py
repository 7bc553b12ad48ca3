"""A Django project that sends a task for each request, through the engines that SHOP_ENGINES names."""

from __future__ import annotations

import os

if "celery" in os.environ["SHOP_ENGINES"].split() and "SHOP_LATE" not in os.environ:
    from shop.engines.celery import app as app
