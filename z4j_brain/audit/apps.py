from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "z4j_brain.audit"
    label = "audit"

    def ready(self) -> None:
        from z4j_brain.audit import removals
        from z4j_brain.ledger import sealing

        sealing.on_sealed(removals.on_sealed)
