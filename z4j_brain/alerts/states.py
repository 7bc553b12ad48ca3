"""What rules watch for, whom they tell, and what becomes of what they tell: words, icons and hues of the panel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy


class Kind(models.TextChoices):
    """What a rule watches for."""

    FAILURE_RATE = "failure_rate", gettext_lazy("Many tasks fail")
    ABSENCE = "absence", gettext_lazy("A task does not run")
    QUEUE_DEPTH = "queue_depth", gettext_lazy("A queue is long")
    QUEUE_AGE = "queue_age", gettext_lazy("A task waits for long")
    WAIT_TIME = "wait_time", gettext_lazy("Tasks start late")
    WORKER_GONE = "worker_gone", gettext_lazy("A worker fell silent")
    SCHEDULE_MISSED = "schedule_missed", gettext_lazy("A schedule did not run")
    AGENT_DROPS = "agent_drops", gettext_lazy("An agent drops events")
    AUDIT_HEALTH = "audit_health", gettext_lazy("The audit log is in trouble")


class ChannelKind(models.TextChoices):
    """How somebody outside is told."""

    WEBHOOK = "webhook", gettext_lazy("Webhook")
    EMAIL = "email", gettext_lazy("E-mail")
    SERVICE = "service", gettext_lazy("Chat or paging service")


class Standing(models.TextChoices):
    """How a rule is now."""

    FIRING = "firing", pgettext_lazy("rule", "Firing")
    MUTED = "muted", pgettext_lazy("rule", "Muted")
    OFF = "off", pgettext_lazy("rule", "Off")
    QUIET = "quiet", pgettext_lazy("rule", "Quiet")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _STANDINGS[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _STANDINGS[self][1]


_STANDINGS = {
    Standing.FIRING: ("triangle-alert", "failed"),
    Standing.MUTED: ("circle-pause", "scheduled"),
    Standing.OFF: ("circle-minus", "cancelled"),
    Standing.QUIET: ("circle-check", "succeeded"),
}


class Happening(models.TextChoices):
    """What is told: that an alert began, that it is over, or nothing but that the channel works."""

    FIRED = "fired", pgettext_lazy("alert", "Fired")
    RESOLVED = "resolved", pgettext_lazy("alert", "Resolved")
    TEST = "test", pgettext_lazy("alert", "Test")


class DeliveryState(models.TextChoices):
    """What became of one message. `failed`: it was tried as often as it is, and given up."""

    PENDING = "pending", gettext_lazy("On its way")
    DELIVERED = "delivered", gettext_lazy("Delivered")
    FAILED = "failed", gettext_lazy("Given up")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _DELIVERIES[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it."""
        return _DELIVERIES[self][1]


_DELIVERIES = {
    DeliveryState.PENDING: ("hourglass", "scheduled"),
    DeliveryState.DELIVERED: ("circle-check", "succeeded"),
    DeliveryState.FAILED: ("failed", "failed"),
}
