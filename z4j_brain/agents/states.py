"""What an agent can be."""

from __future__ import annotations

from django.db import models


class AgentRole(models.TextChoices):
    WORKER = "worker", "Worker"
    PRODUCER = "producer", "Producer"
    SCHEDULER = "scheduler", "Scheduler"


class AgentState(models.TextChoices):
    """Derived from when an agent was last heard; silence becomes visible after 60 s."""

    ONLINE = "online", "Online"
    SILENT = "silent", "Silent"
    OFFLINE = "offline", "Offline"
