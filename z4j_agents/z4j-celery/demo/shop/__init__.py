"""A small shop, as believable as its orders: a Django project with Celery, connected to z4j like any other."""

from __future__ import annotations

from shop.celery import app

__all__ = ["app"]
