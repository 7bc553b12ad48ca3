from __future__ import annotations

from django.apps import AppConfig


class StatsConfig(AppConfig):
    name = "z4j_brain.stats"
    label = "stats"
