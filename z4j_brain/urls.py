"""The address book: health, the agents' door, the API, and the panel. Each app with addresses has a `urls.py`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from z4j_brain import health
from z4j_brain.agents import api as agents
from z4j_brain.fleet import api as fleet
from z4j_brain.operations import api as operations
from z4j_brain.rbac import api as rbac
from z4j_brain.tasks import api as tasks

#: Apps by what they hold, looked up in order: API routers before the panel, whose `/<project>/` catches the rest.
PARTS = ("gateway", "rbac", "audit", "agents", "operations", "fleet", "tasks", "panel")

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
#: Mounted at /api/v1/. The instance's own paths first: their first words are no project's slug.
api: list[URLPattern | URLResolver] = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=[], metadata_class=None), name="api-schema"),
    *rbac.routes,
    *agents.routes,
    *fleet.routes,
    *operations.routes,
    *tasks.routes,
]
websocket_urlpatterns: list[Any] = []

urlpatterns.append(path("api/v1/", include(api)))

for part in PARTS:
    if find_spec(f"z4j_brain.{part}.urls"):
        urlpatterns.append(path("", include(f"z4j_brain.{part}.urls")))
        websocket_urlpatterns += getattr(import_module(f"z4j_brain.{part}.urls"), "websocket_urlpatterns", [])

handler404 = "z4j_brain.lib.problem.not_found"
handler500 = "z4j_brain.lib.problem.server_error"
