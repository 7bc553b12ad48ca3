"""Tasks, and the events that made them what they are.

A task row is always `z4j_core.fold` over all its events; `fold_key` is the order key of the last one folded in, so that
an event which arrives late is noticed and the row rebuilt. `issue` follows from the row: see `failing`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.states import TERMINAL, TaskState


class Task(models.Model):
    #: Which of its columns grants look at.
    FACETS: ClassVar = {"queue": "queue", "task": "name"}

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    engine = models.CharField(max_length=32)
    task_id = models.CharField(max_length=255)
    name = models.CharField(max_length=512, blank=True)
    queue = models.CharField(max_length=255, blank=True)
    worker = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=16, choices=TaskState.choices)
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(null=True)
    priority = models.IntegerField(null=True)
    root_id = models.CharField(max_length=255, blank=True)
    parent_id = models.CharField(max_length=255, blank=True)
    group_id = models.CharField(max_length=255, blank=True)
    trace_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    retry_of = models.CharField(max_length=255, blank=True)
    schedule = models.CharField(max_length=255, blank=True)
    args = models.TextField(blank=True)
    kwargs = models.TextField(blank=True)
    result = models.TextField(blank=True)
    error_type = models.CharField(max_length=255, blank=True)
    error_message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    error_reason = models.CharField(max_length=32, blank=True)
    issue = models.CharField(max_length=16, blank=True, default="", db_default="")
    vault = models.CharField(max_length=64, blank=True)
    truncated = models.JSONField(default=list)
    eta = models.DateTimeField(null=True)
    expires = models.DateTimeField(null=True)
    first_at = models.DateTimeField()
    enqueued_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField()
    runtime_ms = models.FloatField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=255, blank=True)
    fold_key = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "task_id", "engine"], name="task_identity")]
        indexes = [
            models.Index(fields=["environment", "-id"], name="task_list"),
            models.Index(fields=["environment", "state", "-id"], name="task_state"),
            models.Index(fields=["environment", "name", "-id"], name="task_name"),
            models.Index(fields=["environment", "queue", "-id"], name="task_queue"),
            models.Index(
                fields=["environment", "error_type", "-id"], name="task_error", condition=~models.Q(error_type="")
            ),
            models.Index(fields=["environment", "issue", "-id"], name="task_issue", condition=~models.Q(issue="")),
            models.Index(
                fields=["environment", "retry_of", "-id"], name="task_retry_of", condition=~models.Q(retry_of="")
            ),
            models.Index(
                fields=["environment", "parent_id", "-id"], name="task_parent", condition=~models.Q(parent_id="")
            ),
            models.Index(
                fields=["environment", "group_id", "-id"], name="task_group", condition=~models.Q(group_id="")
            ),
        ]

    @property
    def waited(self) -> timedelta | None:
        """From entering the queue, or its due time, to the start of the last run; so far, while it waits."""
        since = max((moment for moment in (self.enqueued_at, self.eta) if moment), default=None)
        never_started = self.started_at is None and self.finished_at is not None
        if since is None or never_started or self.state == TaskState.SCHEDULED:
            return None
        return max((self.started_at or timezone.now()) - since, timedelta())

    @property
    def ran(self) -> timedelta | None:
        """How long the last run took; so far, while it runs."""
        if self.runtime_ms is not None:
            return timedelta(milliseconds=self.runtime_ms)
        if self.started_at is None:
            return None
        if self.finished_at is None and self.state != TaskState.STARTED:
            return None
        return max((self.finished_at or timezone.now()) - self.started_at, timedelta())

    @property
    def took(self) -> timedelta:
        """From the first thing that is known of it to the last."""
        return self.last_at - self.first_at

    @property
    def is_final(self) -> bool:
        return self.state in TERMINAL


class Sealed(models.Model):
    """The original of a task, as an agent sealed it to a key that only workers have: opaque bytes, shown to nobody.

    `kid` names that key, `at` is when the agent sealed it, in microseconds by its clock: the newest one stays.
    """

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="sealed")
    kid = models.CharField(max_length=16)
    blob = models.BinaryField()
    at = models.BigIntegerField()

    class Meta:
        default_permissions = ()


class SavedView(models.Model):
    """A reading of the list under a name: one person's, or everybody's in the environment. `query`: its address."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="task_views", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment", "owner", "name"], name="task_view_own", condition=models.Q(owner__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["environment", "name"], name="task_view_shared", condition=models.Q(owner__isnull=True)
            ),
        ]

    @property
    def is_shared(self) -> bool:
        return self.owner_id is None


class FirstView(models.Model):
    """Which view somebody finds first in an environment, where its list is opened without another."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "environment"], name="task_view_first")]


class ListColumns(models.Model):
    """The columns that somebody wants to see in lists of tasks, by their names in `columns`."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    shown = models.JSONField(default=list)

    class Meta:
        default_permissions = ()


class Event(models.Model):
    """One fact an agent reported; append-only. `data` is the event as accepted.

    `task` is null for a kind of event this brain does not know and that names no task: kept, and changes nothing. On
    PostgreSQL the table is partitioned by the day of `received_at`, see `partitions`. Its references are neither
    checked nor indexed by the store: either would cost as much as the event itself.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(
        Environment, on_delete=models.CASCADE, related_name="events", db_constraint=False, db_index=False
    )
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, null=True, related_name="events", db_constraint=False, db_index=False
    )
    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, related_name="events", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    ts = models.BigIntegerField(help_text="microseconds since the epoch, by the agent's clock")
    data = models.JSONField(default=dict)
    received_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["task", "id"], name="event_task")]
