"""What an agent can be, and whether somebody is there: agents and workers say it with the same words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

SILENT_AFTER = timedelta(seconds=60)


class AgentRole(models.TextChoices):
    WORKER = "worker", gettext_lazy("Worker")
    PRODUCER = "producer", gettext_lazy("Producer")
    SCHEDULER = "scheduler", gettext_lazy("Scheduler")


class RedactionMode(models.TextChoices):
    """What agents tell of values, the strictest last: see `z4j_core.policy.Mode`."""

    REDACT = "redact", gettext_lazy("Values without their secrets")
    SHAPES = "shapes", gettext_lazy("Only types and sizes")
    SEAL = "seal", gettext_lazy("Only types and sizes, originals sealed")


class RuleKind(models.TextChoices):
    """What a rule of a project looks at."""

    NAME = "name", gettext_lazy("Names of arguments and keys")
    TEXT = "text", gettext_lazy("Texts that look alike")


class Presence(models.TextChoices):
    """Derived from when somebody was last heard; silence becomes visible after 60 s."""

    ONLINE = "online", gettext_lazy("Online")
    SILENT = "silent", gettext_lazy("Silent")
    OFFLINE = "offline", gettext_lazy("Offline")

    @classmethod
    def of(cls, heard_at: datetime, left_at: datetime | None) -> Presence:
        if left_at is not None:
            return cls.OFFLINE
        return cls.SILENT if timezone.now() - heard_at > SILENT_AFTER else cls.ONLINE

    @property
    def icon(self) -> str:
        return _LOOKS[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _LOOKS[self][1]


_LOOKS = {
    Presence.ONLINE: ("circle-check", "succeeded"),
    Presence.SILENT: ("circle-question-mark", "lost"),
    Presence.OFFLINE: ("ban", "cancelled"),
}
