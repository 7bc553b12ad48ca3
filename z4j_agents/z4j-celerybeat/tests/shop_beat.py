"""What the beat of the tests loads: the shop, with an adapter whose host records."""

from __future__ import annotations

import os

from celery import signals
from shop import FOLDER, app
from z4j_celerybeat.starting import adapter_of
from z4j_core.testing.recording import RecordingHost

__all__ = ["app"]


@signals.beat_init.connect(weak=False)
def begin(sender, **_):
    adapter = adapter_of(sender)
    adapter.install(RecordingHost(FOLDER, os.environ.get("SHOP_MODE", "redact"), adapter))
    adapter.begin()
