from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "z4j_brain.tasks"
    label = "tasks"

    def ready(self) -> None:
        from z4j_brain.operations import targets
        from z4j_brain.tasks.targets import ENGINE, KIND, resolve, resolve_engines

        targets.register(KIND, resolve)
        targets.register(ENGINE, resolve_engines)
