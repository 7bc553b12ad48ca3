"""In the worker of the tests: the adapter, with a host that records."""

from __future__ import annotations

import os

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        if "SHOP_MODE" in os.environ:
            from z4j_core.testing.recording import RecordingHost
            from z4j_djangotasks import DjangoTasksEngine

            from shop.settings import FOLDER

            engine = DjangoTasksEngine()
            engine.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], engine))
