from __future__ import annotations

from django.apps import AppConfig


class IssuesConfig(AppConfig):
    name = "z4j_brain.issues"
    label = "issues"

    def ready(self) -> None:
        from z4j_brain.issues import actions, ingest  # noqa: F401 - actions are known by their names from now on
        from z4j_brain.tasks import failing

        failing.register(ingest.take)
