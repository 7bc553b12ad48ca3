"""What rules watch for, whom they tell, and what becomes of what they tell: words, icons and hues of the panel."""

from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    """What a rule watches for."""

    FAILURE_RATE = "failure_rate", "Many tasks fail"
    ABSENCE = "absence", "A task does not run"
    QUEUE_DEPTH = "queue_depth", "A queue is long"
    QUEUE_AGE = "queue_age", "A task waits for long"
    WAIT_TIME = "wait_time", "Tasks start late"
    WORKER_GONE = "worker_gone", "A worker fell silent"
    SCHEDULE_MISSED = "schedule_missed", "A schedule did not run"
    AGENT_DROPS = "agent_drops", "An agent drops events"
    AUDIT_HEALTH = "audit_health", "The audit log is in trouble"


class ChannelKind(models.TextChoices):
    """How somebody outside is told."""

    WEBHOOK = "webhook", "Webhook"
    EMAIL = "email", "E-mail"
    SERVICE = "service", "Chat or paging service"


class Standing(models.TextChoices):
    """How a rule is now."""

    FIRING = "firing", "Firing"
    MUTED = "muted", "Muted"
    OFF = "off", "Off"
    QUIET = "quiet", "Quiet"

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

    FIRED = "fired", "Fired"
    RESOLVED = "resolved", "Resolved"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """What became of one message. `failed`: it was tried as often as it is, and given up."""

    PENDING = "pending", "On its way"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"

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
