"""The address book: health, the agents' door, the API, and the panel."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from z4j_brain import health
from z4j_brain.agents import api as agents
from z4j_brain.agents import redaction_api
from z4j_brain.alerts import api as alerts
from z4j_brain.alerts import channels_api, windows_api
from z4j_brain.audit import api as audit
from z4j_brain.fleet import api as fleet
from z4j_brain.issues import api as issues
from z4j_brain.operations import api as operations
from z4j_brain.panel.scrape import Metrics
from z4j_brain.panel.urls import websocket_urlpatterns
from z4j_brain.rbac import api as rbac
from z4j_brain.rbac import guarding_api, members_api
from z4j_brain.schedules import urls as schedules
from z4j_brain.stats import api as stats
from z4j_brain.tasks import api as tasks
from z4j_brain.tasks import saved_api

__all__ = ["handler404", "handler500", "urlpatterns", "websocket_urlpatterns"]

#: Mounted at /api/v1/. The instance's own paths first: their first words are no project's slug.
api: list[URLPattern | URLResolver] = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=[], metadata_class=None), name="api-schema"),
    *rbac.routes,
    *guarding_api.routes,
    *members_api.routes,
    *audit.routes,
    *agents.routes,
    *redaction_api.routes,
    *alerts.routes,
    *channels_api.routes,
    *windows_api.routes,
    *fleet.routes,
    *issues.routes,
    *operations.routes,
    *schedules.routes,
    *stats.routes,
    *tasks.routes,
    *saved_api.routes,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", Metrics.as_view(), name="metrics"),
    path("", include("z4j_brain.gateway.urls")),
    path("api/v1/", include(api)),
    path("", include("z4j_brain.panel.urls")),
]

handler400 = "z4j_brain.lib.problem.bad_request"
handler404 = "z4j_brain.lib.problem.not_found"
handler500 = "z4j_brain.lib.problem.server_error"
