from __future__ import annotations

from django.apps import AppConfig


class HousekeepingConfig(AppConfig):
    name = "z4j_brain.housekeeping"
    label = "housekeeping"

    def ready(self) -> None:
        from z4j_brain import checks  # noqa: F401 (registers what must hold before a start)
        from z4j_brain.housekeeping import kinds

        kinds.register()
