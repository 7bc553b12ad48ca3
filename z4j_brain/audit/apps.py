from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "z4j_brain.audit"
    label = "audit"
