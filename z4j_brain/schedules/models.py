"""Schedulers, their schedules and z4j's own, and what became of each due time."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import Presence
from z4j_brain.operations.models import Operation
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules.states import TROUBLE, CatchUp, Definition, Overlap, Plan, RunState, ScheduleState

#: A scheduler that was not heard for so long, or whose loop did not turn, is not alive as far as anybody knows.
SILENT_AFTER = timedelta(seconds=60)


class Scheduler(models.Model):
    """A process in which a scheduler runs.

    `tick_at`: when its loop last turned, by its own clock; `heard_at`: when we last heard of it, by ours. `spans`: from
    when until when it ticked without a break, microseconds, the latest last.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="schedulers")
    source = models.CharField(max_length=32)
    name = models.CharField(max_length=255)
    engine = models.CharField(max_length=32, blank=True)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="schedulers")
    tick_at = models.DateTimeField()
    heard_at = models.DateTimeField(default=timezone.now)
    every_us = models.BigIntegerField(null=True)
    version = models.CharField(max_length=64, blank=True)
    host = models.CharField(max_length=255, blank=True)
    pid = models.IntegerField(null=True)
    spans = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "source", "name"], name="scheduler_once")]

    @property
    def patience(self) -> timedelta:
        """Its loop may stand still for so long."""
        return max(SILENT_AFTER, 3 * timedelta(microseconds=self.every_us or 0))

    @property
    def is_alive(self) -> bool:
        now = timezone.now()
        return self.heard_at >= now - SILENT_AFTER and self.tick_at >= now - self.patience

    @property
    def state(self) -> Presence:
        return Presence.ONLINE if self.is_alive else Presence.SILENT


class Schedule(models.Model):
    """One plan of one scheduler, or of z4j itself (source `OWN`), known by its key.

    `args` and `kwargs`: redacted text of a native one, JSON of our own. `told_at`: when its agent last told of it, by
    the agent's clock; null while it has only fired. `next_at`: as we work it out, or as it was told. `version` grows
    with each change. `plan_from`: since when its plan is what it is; `counts_from`: and since when it is enabled, so
    that due times before it are nobody's miss. `checked_to`: what became of due times up to here is known; `check_at`:
    when it is to be looked at for what came after.
    """

    #: Which of its columns grants look at.
    FACETS: ClassVar = {"queue": "queue", "task": "task"}

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="schedules", db_index=False)
    source = models.CharField(max_length=32)
    key = models.CharField(max_length=255)
    task = models.CharField(max_length=512, blank=True)
    engine = models.CharField(max_length=32, blank=True)
    queue = models.CharField(max_length=255, blank=True)
    args = models.TextField(blank=True)
    kwargs = models.TextField(blank=True)
    plan = models.CharField(max_length=16, choices=Plan.choices, default=Plan.OTHER)
    text = models.CharField(max_length=255, blank=True)
    cron = models.CharField(max_length=255, blank=True)
    every_us = models.BigIntegerField(null=True)
    at = models.DateTimeField(null=True)
    zone = models.CharField(max_length=64, default="UTC")
    enabled = models.BooleanField(default=True)
    definition = models.CharField(max_length=16, choices=Definition.choices, default=Definition.STORE)
    code = models.CharField(max_length=255, blank=True)
    cannot = models.JSONField(default=dict)
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="schedules")
    told_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.CharField(max_length=255, null=True)
    disabled_reason = models.CharField(max_length=500, null=True)
    disabled_until = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=255, blank=True)
    catch_up = models.CharField(max_length=8, choices=CatchUp.choices, default=CatchUp.SKIP)
    overlap = models.CharField(max_length=8, choices=Overlap.choices, default=Overlap.ALLOW)
    grace_us = models.BigIntegerField(null=True)
    plan_from = models.DateTimeField(default=timezone.now)
    counts_from = models.DateTimeField(default=timezone.now)
    checked_to = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "source", "key"], name="schedule_once")]
        indexes = [
            models.Index(fields=["environment", "-id"], name="schedule_list"),
            models.Index(fields=["environment", "next_at"], name="schedule_next"),
            models.Index(fields=["check_at"], name="schedule_check", condition=models.Q(check_at__isnull=False)),
            models.Index(fields=["next_at"], name="schedule_own_due", condition=models.Q(source="z4j", enabled=True)),
        ]

    @property
    def state(self) -> ScheduleState:
        if self.gone_at is not None:
            return ScheduleState.GONE
        return ScheduleState.ACTIVE if self.enabled else ScheduleState.DISABLED


class Run(models.Model):
    """One due time of a schedule and what became of it, or a task that it sent out of turn (`asked`).

    `moment`: when it was due, or when it was sent where no due time is known. `due_told`: its scheduler said for when
    it was, also where another run holds that time; otherwise we worked it out. `times`: how many due times on end it
    stands for, from `due_at` until `until_at`; more than one only where nothing was sent. `overlapped`: an earlier run
    of the schedule had not finished when this one was sent.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="runs", db_index=False)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs", db_index=False)
    moment = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    due_told = models.BooleanField(default=False)
    fired_at = models.DateTimeField(null=True)
    task_id = models.CharField(max_length=255, blank=True)
    engine = models.CharField(max_length=32, blank=True)
    asked = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.PENDING)
    why = models.CharField(max_length=200, blank=True)
    times = models.PositiveIntegerField(default=1)
    until_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    runtime_ms = models.FloatField(null=True)
    late_ms = models.FloatField(null=True)
    overlapped = models.BooleanField(default=False)
    operation = models.ForeignKey(Operation, on_delete=models.SET_NULL, null=True, related_name="runs")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "due_at"],
                name="run_once_due",
                condition=models.Q(due_at__isnull=False, asked=False),
            ),
            models.UniqueConstraint(
                fields=["schedule", "task_id"], name="run_once_task", condition=~models.Q(task_id="")
            ),
        ]
        indexes = [
            models.Index(fields=["schedule", "-moment"], name="run_list"),
            models.Index(fields=["environment", "moment"], name="run_moment"),
            models.Index(fields=["environment", "task_id"], name="run_task", condition=~models.Q(task_id="")),
            models.Index(fields=["schedule", "operation"], name="run_open", condition=models.Q(state="pending")),
        ]

    @property
    def is_trouble(self) -> bool:
        return self.state in TROUBLE
