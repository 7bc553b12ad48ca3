from __future__ import annotations

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "z4j_brain.panel"
    label = "panel"

    def ready(self) -> None:
        from z4j_brain.panel import happenings  # noqa: F401 (listens for what happens around signing in)
