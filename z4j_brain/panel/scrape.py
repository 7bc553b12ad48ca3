"""`/metrics`, for Prometheus: with a token, like the API."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from z4j_brain.panel.figures import Figures
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.authentication import SignedIn


class Either(BaseContentNegotiation):
    """Whatever is asked for: Prometheus' own library says which of its formats that gets."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or ""


class Metrics(APIView):
    """In the text format that is asked for: Prometheus' own, or OpenMetrics."""

    content_negotiation_class = Either
    permission_classes = (SignedIn,)
    schema = None
    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        registry.register(Figures(Actor.of(request)))
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(registry), content_type=kind, headers={"Cache-Control": "no-store"})
