"""What the worker of the tests loads: the shop, with an adapter whose host records."""

from __future__ import annotations

import os

from shop import FOLDER, app
from z4j_celery import CeleryEngine
from z4j_core.testing.recording import RecordingHost

__all__ = ["app"]

engine = CeleryEngine()
engine.install(RecordingHost(FOLDER, os.environ.get("SHOP_MODE", "redact"), engine))
