from __future__ import annotations

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "z4j_brain.schedules"
    label = "schedules"

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from z4j_brain.agents import handover
        from z4j_brain.operations import targets, verbs
        from z4j_brain.schedules import actions, ingest, own  # noqa: F401 - actions are known by their names from now on
        from z4j_brain.schedules.firings import Firings
        from z4j_brain.schedules.targets import Schedulers, Schedules
        from z4j_brain.schedules.verbs import ALL

        # Values of arguments are nothing for the log: an entry says that they were changed.
        left_out = ["args", "kwargs", "last_at", "told_at", "checked_to", "check_at"]
        auditlog.register(self.get_model("Schedule"), exclude_fields=left_out)
        handover.register(ingest.take)
        for kind in (Schedules(), Schedulers(), Firings()):
            targets.register(kind)
        verbs.register(*ALL)
