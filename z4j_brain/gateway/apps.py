from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "z4j_brain.gateway"
    label = "gateway"
