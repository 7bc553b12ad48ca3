"""Rules that watch an environment, the channels they tell by, the alerts that came of it, and each message sent."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from z4j_brain.alerts import messengers
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Happening, Kind, Standing
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.models import Environment, Project

#: A rule that tells again of the same thing waits for a week at most, in minutes.
LONGEST_COOLDOWN = 10_080


class Channel(models.Model):
    """Somebody outside who is told, of one environment or of the whole project.

    `secret` is encrypted: what webhooks are signed with, or the whole address of a service, of which `address` says
    only which one it is. `secret_before` signs beside it until then, while its receiver learns the new one.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alert_channels", db_index=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="alert_channels")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=ChannelKind.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(max_length=2000, blank=True)
    secret_before = models.CharField(max_length=500, blank=True)
    secret_before_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "name"], name="alert_channel_name")]

    @property
    def to(self) -> str:
        """As much of the address as anybody may see: the rest may be a secret, or a person."""
        if self.kind == ChannelKind.EMAIL:
            return f"@{self.address.rpartition('@')[2]}"
        if self.kind == ChannelKind.SERVICE:
            return messengers.SCHEMES.get(messengers.scheme(self.address), "")
        return urlsplit(self.address).hostname or ""


class Rule(models.Model):
    """What is watched for. `settings`: of its kind, see `kinds`.

    `version` grows with each change; `changed_at`: since when it watches for what it does. `next_at`: when it is looked
    at again. `fault`: why it could not be looked at last.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alert_rules", db_index=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    settings = models.JSONField(default=dict)
    channels = models.ManyToManyField(Channel, related_name="rules")
    cooldown_minutes = models.PositiveIntegerField(default=15, validators=[MaxValueValidator(LONGEST_COOLDOWN)])
    enabled = models.BooleanField(default=True)
    muted_until = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "name"], name="alert_rule_name")]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], name="alert_rule_due", condition=models.Q(enabled=True)),
        ]

    @property
    def is_muted(self) -> bool:
        return self.muted_until is not None and self.muted_until > timezone.now()

    @property
    def standing(self) -> Standing:
        """As `queries.rules` reads it, which counts the alerts that go on."""
        if not self.enabled:
            return Standing.OFF
        if self.is_muted:
            return Standing.MUTED
        return Standing.FIRING if getattr(self, "going_on", 0) else Standing.QUIET


class Window(models.Model):
    """When nobody is told, since somebody is at work there: once, from `starts_at` to `ends_at`; or again and again,
    for so many `minutes` from each time that `cron` is due in `zone`. About all rules, or about `rules` alone.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alert_windows", db_index=False)
    name = models.CharField(max_length=100)
    all_rules = models.BooleanField(default=True)
    rules = models.ManyToManyField(Rule, related_name="windows")
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    cron = models.CharField(max_length=200, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    minutes = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "name"], name="alert_window_name")]


class Alert(models.Model):
    """That a rule found something, from when until when. `subject`: on what; empty for the whole environment.

    It outlives its rule, whose name and kind it keeps. `held`: nobody was told, since somebody was at work there.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alerts", db_index=False)
    rule = models.ForeignKey(Rule, on_delete=models.SET_NULL, null=True, related_name="alerts", db_index=False)
    rule_name = models.CharField(max_length=100)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    subject = models.CharField(max_length=255, blank=True)
    text = models.CharField(max_length=500)
    facts = models.JSONField(default=dict)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    why_ended = models.CharField(max_length=100, blank=True)
    held = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "subject"], name="alert_once", condition=models.Q(ended_at__isnull=True)
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["environment", "-id"], name="alert_list"),
            models.Index(fields=["rule", "subject", "-started_at"], name="alert_of_rule"),
            models.Index(fields=["ended_at"], name="alert_ended", condition=models.Q(ended_at__isnull=False)),
        ]


class Delivery(models.Model):
    """One message to one channel, as it is sent each time: `key` is the webhook-id that all tries share.

    `code`: what the receiver answered last, where it answered; `error`: what went wrong last.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, related_name="deliveries", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    happening = models.CharField(max_length=16, choices=Happening.choices)
    key = models.UUIDField(default=uuid7, unique=True, editable=False)
    title = models.CharField(max_length=400)
    body = models.TextField()
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    code = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alert", "channel", "happening"], name="alert_delivery_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["environment", "-id"], name="alert_delivery_list"),
            models.Index(fields=["channel", "next_at"], name="alert_delivery_due", condition=models.Q(state="pending")),
        ]
