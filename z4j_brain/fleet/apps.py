from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "z4j_brain.fleet"
    label = "fleet"

    def ready(self) -> None:
        from z4j_brain.fleet import actions  # noqa: F401 - known by their names from now on
        from z4j_brain.fleet.targets import Queues, Workers
        from z4j_brain.fleet.verbs import ALL
        from z4j_brain.operations import targets, verbs

        for kind in (Queues(), Workers()):
            targets.register(kind)
        verbs.register(*ALL)
