from __future__ import annotations

from django.apps import AppConfig


class RbacConfig(AppConfig):
    name = "z4j_brain.rbac"
    label = "rbac"

    def ready(self) -> None:
        from auditlog.registry import auditlog
        from django.db.models.signals import post_migrate

        from z4j_brain.rbac import granted, schema  # noqa: F401 (registers models, and what OpenAPI says of tokens)
        from z4j_brain.rbac.guardian_rows import rewrite_all

        # Configuration is registered for its diffs alone: rows that auditlog's signals write would escape erasure.
        auditlog._signals.clear()
        for name in ("Project", "Environment", "Membership", "User"):
            auditlog.register(self.get_model(name), exclude_fields=["password", "last_login"])
        auditlog.register(self.get_model("Token"), exclude_fields=["secret_hash", "last_used_at"])
        for name in ("Group", "Grant", "Invitation"):
            auditlog.register(self.get_model(name), exclude_fields=["link_hash"])
        post_migrate.connect(rewrite_all, sender=self)
