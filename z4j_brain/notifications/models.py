"""What somebody has read of what an environment had to tell them. What there is to tell is never kept twice."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from z4j_brain.rbac.models import Environment, User


class Reading(models.Model):
    """How far a person has read in an environment. `until`: all before it; `keys`: single ones after it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    until = models.DateTimeField(null=True)
    keys = models.JSONField(default=list)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "user"], name="reading_once")]
