from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "z4j_brain.alerts"
    label = "alerts"

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from z4j_brain.alerts import actions  # noqa: F401 - actions are known by their names from now on

        auditlog.register(self.get_model("Rule"), exclude_fields=["next_at", "checked_at", "fault"])
