"""Where checkpoints and entries are sent to."""

from __future__ import annotations

from django.db import models


class AnchorKind(models.TextChoices):
    FILE = "file", "file"
    SYSLOG = "syslog", "system log"
    WEBHOOK = "webhook", "webhook"


class StreamKind(models.TextChoices):
    SYSLOG = "syslog", "syslog"
    WEBHOOK = "webhook", "webhook"


class Arrival(models.TextChoices):
    """How far something outside is behind the log."""

    CURRENT = "current", "up to date"
    WAITING = "waiting", "catching up"
    LATE = "late", "late"
    PAUSED = "paused", "paused"

    @property
    def icon(self) -> str:
        return {"current": "circle-check", "waiting": "clock", "late": "triangle-alert", "paused": "circle-pause"}[self]

    @property
    def hue(self) -> str:
        return {"current": "succeeded", "waiting": "received", "late": "failed", "paused": "cancelled"}[self]


class Basis(models.TextChoices):
    """The law by which personal data goes: the letters of Article 17(1) of the GDPR, in their order, or another one."""

    NOT_NEEDED = "not_needed", "no longer needed"
    WITHDRAWN = "withdrawn", "consent withdrawn"
    OBJECTION = "objection", "the person objects"
    UNLAWFUL = "unlawful", "it should not have been kept"
    OBLIGATION = "obligation", "a law demands it"
    CHILD = "child", "it was a child's"
    OTHER = "other", "another law"
