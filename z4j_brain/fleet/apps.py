from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "z4j_brain.fleet"
    label = "fleet"

    def ready(self) -> None:
        from z4j_brain.fleet.targets import Queues, Registrations, Workers
        from z4j_brain.fleet.verbs import ALL
        from z4j_brain.operations import targets, verbs

        for kind in (Queues(), Workers(), Registrations()):
            targets.register(kind)
        verbs.register(*ALL)
