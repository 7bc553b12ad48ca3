"""Where checkpoints and entries are sent to."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy


class AnchorKind(models.TextChoices):
    FILE = "file", gettext_lazy("file")
    SYSLOG = "syslog", gettext_lazy("system log")
    WEBHOOK = "webhook", gettext_lazy("webhook")


class StreamKind(models.TextChoices):
    SYSLOG = "syslog", gettext_lazy("syslog")
    WEBHOOK = "webhook", gettext_lazy("webhook")


class Arrival(models.TextChoices):
    """How far something outside is behind the log."""

    CURRENT = "current", pgettext_lazy("outlet", "up to date")
    WAITING = "waiting", pgettext_lazy("outlet", "catching up")
    LATE = "late", pgettext_lazy("outlet", "late")
    PAUSED = "paused", pgettext_lazy("outlet", "paused")

    @property
    def icon(self) -> str:
        return {"current": "circle-check", "waiting": "clock", "late": "triangle-alert", "paused": "circle-pause"}[self]

    @property
    def hue(self) -> str:
        return {"current": "succeeded", "waiting": "received", "late": "failed", "paused": "cancelled"}[self]


class Basis(models.TextChoices):
    """The law by which personal data goes: the letters of Article 17(1) of the GDPR, in their order, or another one."""

    NOT_NEEDED = "not_needed", gettext_lazy("no longer needed")
    WITHDRAWN = "withdrawn", gettext_lazy("consent withdrawn")
    OBJECTION = "objection", gettext_lazy("the person objects")
    UNLAWFUL = "unlawful", gettext_lazy("it should not have been kept")
    OBLIGATION = "obligation", gettext_lazy("a law demands it")
    CHILD = "child", gettext_lazy("it was a child's")
    OTHER = "other", gettext_lazy("another law")
