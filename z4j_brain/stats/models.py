"""Rollups: how many tasks arrived and ended in a stretch of time, and how long they waited and ran.

A task counts as arrived where it was first heard of, and as ended (with its state, run time and waiting time) where it
ended. Every rollup is therefore the sum over all tasks, and stays when the tasks are pruned.
"""

from __future__ import annotations

from django.db import models

from z4j_brain.rbac.models import Environment
from z4j_brain.stats.states import Grain


class Rollup(models.Model):
    """`start`: seconds since 1970. `runtimes` and `waits`: see `histogram`."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    grain = models.IntegerField(choices=Grain.choices)
    start = models.BigIntegerField()
    engine = models.CharField(max_length=32)
    arrived = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    dead_lettered = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    lost = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    succeeded = models.BigIntegerField(default=0)
    retries = models.BigIntegerField(default=0)
    runtime_us = models.BigIntegerField(default=0)
    runtimes = models.TextField(default="")
    waits = models.TextField(default="")

    class Meta:
        abstract = True
        default_permissions = ()


class ByQueue(Rollup):
    """Of one queue: every grain."""

    queue = models.CharField(max_length=255)

    class Meta(Rollup.Meta):
        constraints = [
            models.UniqueConstraint(fields=["environment", "grain", "start", "engine", "queue"], name="rollup_of_queue")
        ]


class ByName(Rollup):
    """Of one task name: by hour and by day."""

    name = models.CharField(max_length=512)

    class Meta(Rollup.Meta):
        constraints = [
            models.UniqueConstraint(fields=["environment", "grain", "start", "engine", "name"], name="rollup_of_name")
        ]


class Deploy(models.Model):
    """That a version of the users' own code first appeared on an engine. `at`: when the first worker of it started."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    engine = models.CharField(max_length=32)
    code = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "engine", "code"], name="deploy_once")]
        indexes = [models.Index(fields=["environment", "at"], name="deploy_at")]
