"""The agents of an environment, the keys they present, and which of their events have arrived."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from z4j_brain.agents.states import AgentRole, Presence, RedactionMode, RuleKind
from z4j_brain.lib.ids import uuid7
from z4j_brain.rbac.models import Environment, Project


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
    #: When somebody who named this key was last turned away, and why: a code of the gateway.
    refused_at = models.DateTimeField(null=True)
    refused_code = models.CharField(max_length=32, blank=True, default="")
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
    #: Versions of the built-in rules and of the environment's policy that it redacts by; empty when it never said so.
    rules = models.CharField(max_length=32, blank=True)
    policy = models.CharField(max_length=32, blank=True)
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


class RedactionPolicy(models.Model):
    """What an environment insists on in the redaction of its agents. Where there is no row, it insists on nothing.

    `tasks`: patterns over names of tasks, each with the mode that holds there at least. `seal_key`: the public key, in
    base64, that originals are sealed to.
    """

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, primary_key=True, related_name="redaction_policy"
    )
    mode = models.CharField(max_length=8, choices=RedactionMode, default=RedactionMode.REDACT)
    tasks = models.JSONField(default=list)
    seal_key = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()


class RedactionRule(models.Model):
    """A rule of a project's own, for all its environments: see `z4j_core.policy.Rule`."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="redaction_rules", db_index=False)
    slug = models.CharField(max_length=32)
    kind = models.CharField(max_length=8, choices=RuleKind)
    match = models.CharField(max_length=100)
    tasks = models.CharField(max_length=200, blank=True)
    set_by = models.CharField(max_length=64)
    set_by_name = models.CharField(max_length=255)
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="redaction_rule")]


class Hidden(models.Model):
    """How many values a rule hid in an environment on one day, by UTC, as the events that came then tell."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    rule = models.CharField(max_length=64)
    count = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "day", "rule"], name="hidden_by_rule")]


class LateRedaction(models.Model):
    """How many texts of an agent, by its name, came with something in them that it should have hidden."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    agent = models.CharField(max_length=255)
    count = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "day", "agent"], name="late_by_agent")]
