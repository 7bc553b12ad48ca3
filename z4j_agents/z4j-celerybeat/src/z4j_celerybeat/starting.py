"""A beat is starting in this process: its scheduler gets the adapter that is made for it.

Adapters are found as the agent finds them, by the modules that are imported: django-celery-beat and redbeat are loaded
by whoever uses them, and by nobody else.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any, Final

from celery import signals
from z4j_core.adapter import attach
from z4j_core.safety import guarded
from z4j_core.scheduler import SCHEDULER_GROUP

from z4j_celerybeat.beating import Beating, here

_OURS: Final = "z4j_celerybeat"


def install() -> None:
    """Report the beat that this process starts, if it does. Opens no connection by itself; twice is once."""
    signals.beat_init.connect(on_beat, weak=False, dispatch_uid="z4j.celerybeat")


@guarded("celerybeat.init")
def on_beat(sender: Any = None, **_: Any) -> None:
    """`sender` is the service whose loop begins when this signal has been heard by all."""
    adapter = adapter_of(sender)
    if adapter is not None and attach(adapter):
        adapter.begin()


def adapter_of(service: Any) -> Beating | None:
    """None for a scheduler that none of ours is made for."""
    here.service = service
    for found in entry_points(group=SCHEDULER_GROUP):
        if found.value.startswith(_OURS) and found.name in sys.modules:
            adapter = found.load().find()
            if isinstance(adapter, Beating):
                return adapter
    return None
