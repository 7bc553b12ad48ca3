from __future__ import annotations

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "z4j_brain.panel"
    label = "panel"
