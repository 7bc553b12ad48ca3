"""The address book: health, the agents' door, the API, and the panel. Each app with addresses has a `urls.py`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.urls import URLPattern, URLResolver, include, path

from z4j_brain import health

#: Apps by what they hold, looked up in order: API routers before the panel, whose `/<project>/` catches the rest.
PARTS = ("gateway", "rbac", "audit", "agents", "operations", "fleet", "tasks", "panel")

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
#: Mounted at /api/v1/: each app's API adds its paths here.
api: list[URLPattern | URLResolver] = []
websocket_urlpatterns: list[Any] = []

if api:
    urlpatterns.append(path("api/v1/", include(api)))

for part in PARTS:
    if find_spec(f"z4j_brain.{part}.urls"):
        urlpatterns.append(path("", include(f"z4j_brain.{part}.urls")))
        websocket_urlpatterns += getattr(import_module(f"z4j_brain.{part}.urls"), "websocket_urlpatterns", [])

handler404 = "z4j_brain.lib.problem.not_found"
handler500 = "z4j_brain.lib.problem.server_error"
