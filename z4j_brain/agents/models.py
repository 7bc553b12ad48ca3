"""The agents of an environment, the keys they present, and which of their events have arrived."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.models import Environment


class AgentKey(models.Model):
    """The brain's side of a DSN: a key id and the hash of the bearer derived from its secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="agent_keys")
    name = models.CharField(max_length=128)
    kid = models.CharField(max_length=16, unique=True)
    bearer_hash = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class Agent(models.Model):
    """One boot of our code in one user process."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="agents")
    key = models.ForeignKey(AgentKey, on_delete=models.PROTECT, related_name="agents")
    boot = models.UUIDField()
    name = models.CharField(max_length=255)
    host = models.CharField(max_length=255)
    pid = models.IntegerField(default=0)
    role = models.CharField(max_length=16, choices=AgentRole.choices)
    vault = models.CharField(max_length=64, blank=True)
    engines = models.JSONField(default=list)
    versions = models.JSONField(default=dict)
    allowed = models.JSONField(default=list)
    refused = models.JSONField(default=dict)
    problems = models.JSONField(default=list)
    redaction = models.CharField(max_length=16, blank=True)
    #: Of the audit log: whether it remembers it for good (durable), how far (origin, size), and what is wrong (alarm).
    witness = models.JSONField(default=dict)
    #: What it seals originals to, if it has the private half: that public key, and the ids of all that it opens.
    seal_key = models.CharField(max_length=64, blank=True)
    seal_kids = models.JSONField(default=list)
    clock_us = models.BigIntegerField(null=True)
    counters = models.JSONField(default=dict)
    received = models.JSONField(default=list)
    protocol = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    left_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "boot"], name="agent_boot")]
        indexes = [models.Index(fields=["environment", "seen_at"], name="agent_seen")]

    @property
    def state(self) -> Presence:
        return Presence.of(self.seen_at, self.left_at)


class Batch(models.Model):
    """A batch that was committed, with the answer a repeat of it gets."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="batches", db_index=False)
    first = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    answer = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["agent", "first"], name="batch_once")]


class Quarantined(models.Model):
    """An event that could not be accepted: its size, hash and the reason, never its content."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="quarantined")
    seq = models.BigIntegerField()
    code = models.CharField(max_length=32)
    size = models.IntegerField()
    digest = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()


class Suspect(models.Model):
    """An event whose ingest has crashed before; after three tries it is quarantined untried.

    A batch as a whole is a suspect too, by -1 - the seq of its first event, while a repeat of it is being taken.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="suspects", db_index=False)
    seq = models.BigIntegerField()
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["agent", "seq"], name="suspect_once")]
