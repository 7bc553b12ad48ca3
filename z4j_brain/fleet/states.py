"""What a worker can be."""

from __future__ import annotations

from django.db import models


class WorkerState(models.TextChoices):
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
    WorkerState.ONLINE: ("circle-check", "succeeded"),
    WorkerState.SILENT: ("circle-question-mark", "lost"),
    WorkerState.OFFLINE: ("ban", "cancelled"),
}
