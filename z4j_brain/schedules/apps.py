from __future__ import annotations

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "z4j_brain.schedules"
    label = "schedules"

    def ready(self) -> None:
        from z4j_brain.agents import handover
        from z4j_brain.schedules import ingest

        handover.register(ingest.take)
