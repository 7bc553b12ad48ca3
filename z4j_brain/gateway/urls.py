"""The agents' door, as far as Django answers it; the hot routes are in asgi.py."""

from __future__ import annotations

from django.urls import path
from z4j_core import wire

from z4j_brain.gateway import pages

urlpatterns = [
    path(wire.RESULTS_PATH.lstrip("/"), pages.results, name="agent-results"),
    path(wire.KEYS_PATH.lstrip("/"), pages.agent_keys, name="agent-keys"),
    path(wire.LOG_PATH.lstrip("/"), pages.log, name="agent-log"),
    path(wire.HELLO_PATH.lstrip("/"), pages.hello, name="agent-hello"),
]
