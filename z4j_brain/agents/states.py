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

    @property
    def icon(self) -> str:
        return _LOOKS[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _LOOKS[self][1]


_LOOKS = {
    AgentState.ONLINE: ("circle-check", "succeeded"),
    AgentState.SILENT: ("circle-question-mark", "lost"),
    AgentState.OFFLINE: ("ban", "cancelled"),
}
