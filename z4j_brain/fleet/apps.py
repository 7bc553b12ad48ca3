from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "z4j_brain.fleet"
    label = "fleet"
