from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "z4j_brain.tasks"
    label = "tasks"

    def ready(self) -> None:
        from z4j_brain.agents import handover
        from z4j_brain.operations import targets, verbs
        from z4j_brain.tasks import actions, originals, rows  # noqa: F401 - actions are known by their names from now on
        from z4j_brain.tasks.targets import Engines, Runs, Tasks
        from z4j_brain.tasks.verbs import ALL, KIND

        targets.register(Tasks())
        targets.register(Engines())
        targets.register(Runs())
        targets.seals(KIND, originals.told)
        verbs.register(*ALL)
        handover.answers(rows.look)
