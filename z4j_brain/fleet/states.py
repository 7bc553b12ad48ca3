"""What a worker can be."""

from __future__ import annotations

from django.db import models


class WorkerState(models.TextChoices):
    ONLINE = "online", "Online"
    SILENT = "silent", "Silent"
    OFFLINE = "offline", "Offline"
