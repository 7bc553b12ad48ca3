"""Worker process groups as the engines name them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import Presence
from z4j_brain.rbac.models import Environment


class Worker(models.Model):
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="workers")
    engine = models.CharField(max_length=32)
    name = models.CharField(max_length=255)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="workers")
    host = models.CharField(max_length=255, blank=True)
    pid = models.IntegerField(null=True)
    engine_version = models.CharField(max_length=64, blank=True)
    queues = models.JSONField(default=list)
    concurrency = models.JSONField(default=dict)
    running = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    offline_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "engine", "name"], name="worker_once")]

    @property
    def state(self) -> Presence:
        return Presence.of(self.heartbeat_at, self.offline_at)

    @property
    def size(self) -> int:
        """How many tasks it can run at once, as far as it said; never less than it runs."""
        size = self.concurrency.get("size")
        return max(size if isinstance(size, int) else 0, len(self.running))
