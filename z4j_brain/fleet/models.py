"""Worker process groups as the engines name them, the queues they take from, and the task names they know."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import Presence
from z4j_brain.rbac.models import Environment

#: How far a clock may be off before anybody mentions it, microseconds.
CLOCK_NOTICED = 5_000_000
#: Agents measure every 15 s; after this nobody does any more.
STALE_AFTER = timedelta(seconds=90)


class Worker(models.Model):
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="workers")
    engine = models.CharField(max_length=32)
    name = models.CharField(max_length=255)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="workers")
    host = models.CharField(max_length=255, blank=True)
    pid = models.IntegerField(null=True)
    engine_version = models.CharField(max_length=64, blank=True)
    queues = models.JSONField(default=list)
    concurrency = models.JSONField(default=dict)
    running = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    offline_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "engine", "name"], name="worker_once")]

    @property
    def state(self) -> Presence:
        return Presence.of(self.heartbeat_at, self.offline_at)

    @property
    def size(self) -> int:
        """How many tasks it can run at once, as far as it said; never less than it runs."""
        size = self.concurrency.get("size")
        return max(size if isinstance(size, int) else 0, len(self.running))

    @property
    def code(self) -> str:
        """The release of the user's own code, as their settings name it."""
        return str(self.facts.get("code") or "")

    def code_since(self, moment: datetime) -> str:
        """The same, where it has run that since then; empty where it was restarted, maybe with another one."""
        return self.code if self.started_at is None or self.started_at <= moment else ""

    @property
    def rss(self) -> int | None:
        """Memory of its process, bytes."""
        rss: int | None = self.facts.get("rss")
        return rss

    @property
    def paused(self) -> list[str]:
        """Queues that it was told not to take from."""
        return list(self.facts.get("paused") or ())

    @property
    def clock_apart(self) -> timedelta | None:
        """How far its clock is from the brain's, where that is worth a word."""
        apart = abs((self.agent.clock_us if self.agent else None) or 0)
        return timedelta(microseconds=apart) if apart > CLOCK_NOTICED else None


class Repertoire(models.Model):
    """The names of the tasks that one worker can run, as it told them when it began. `digest`: of equal ones equal."""

    worker = models.OneToOneField(Worker, on_delete=models.CASCADE, primary_key=True, related_name="repertoire")
    names = models.JSONField(default=list)
    digest = models.CharField(max_length=32)

    class Meta:
        default_permissions = ()


class Queue(models.Model):
    """A named queue of one engine, as it was last measured. What nobody can know is null.

    `paused_at`: since when people want it paused; by whom, and why. Null: nobody asked for that.
    """

    #: Which of its columns grants look at.
    FACETS: ClassVar = {"queue": "name"}

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="queues")
    engine = models.CharField(max_length=32)
    name = models.CharField(max_length=255)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="queues")
    depth = models.PositiveBigIntegerField(default=0)
    delayed = models.PositiveBigIntegerField(null=True)
    in_flight = models.PositiveBigIntegerField(null=True)
    dead = models.PositiveBigIntegerField(null=True)
    consumers = models.PositiveBigIntegerField(null=True)
    oldest_at = models.DateTimeField(null=True)
    exact = models.BooleanField(default=True)
    measured_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=255, null=True)
    paused_reason = models.CharField(max_length=500, null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "engine", "name"], name="queue_once")]

    @property
    def is_stale(self) -> bool:
        """Nobody has measured it for a while: the numbers are history."""
        return timezone.now() - self.measured_at > STALE_AFTER

    @property
    def is_empty(self) -> bool:
        """Nothing of it is anywhere, as far as was told."""
        return not (self.depth or self.delayed or self.in_flight)


class Depth(models.Model):
    """What waited in a queue when it was last measured within five minutes. `start`: seconds since 1970."""

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="depths", db_index=False)
    start = models.BigIntegerField()
    depth = models.PositiveBigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["queue", "start"], name="depth_once")]
        indexes = [models.Index(fields=["start"], name="depth_start")]


class Registered(models.Model):
    """A task name that workers of an engine know, and may be asked to run.

    `params`: of its function, each as [name, kind, required]; null where nobody said. The kinds: `p` by position only,
    `e` either way, `k` by keyword only, `a` any further positions, `w` any further keywords.
    """

    #: Which of its columns grants look at.
    FACETS: ClassVar = {"task": "name"}

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="registered", db_index=False)
    engine = models.CharField(max_length=32)
    name = models.CharField(max_length=512)
    params = models.JSONField(null=True)
    idempotent = models.BooleanField(default=False)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "engine", "name"], name="registered_once")]
