"""One requested action on any number of targets, the outcome of each, and the commands that carry it out."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.lib.ids import uuid7
from z4j_brain.operations import nouns
from z4j_brain.operations.states import CommandState, ItemOutcome, ItemProgress, LeftOut, OperationState, Relation
from z4j_brain.rbac.models import Approval, Environment


class Operation(models.Model):
    """`plan`: what was agreed, as the preview told it. `next_at`: nothing of it is handed out before; null: at once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="operations")
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32)
    filter = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    plan = models.JSONField(default=dict)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="followers")
    relation = models.CharField(max_length=8, choices=Relation.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    actor_type = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=255)
    state = models.CharField(max_length=24, choices=OperationState.choices, default=OperationState.PENDING)
    total = models.PositiveIntegerField(default=0)
    settled = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    entry_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    halt_at = models.PositiveIntegerField(null=True)
    halted = models.CharField(max_length=200, blank=True)
    approval = models.OneToOneField(Approval, on_delete=models.SET_NULL, null=True, related_name="operation")
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["environment", "-id"], name="operation_list"),
            models.Index(
                fields=["environment", "-id"], name="operation_asked", condition=~models.Q(actor_type="system")
            ),
            models.Index(fields=["state", "expires_at"], name="operation_due"),
        ]

    @property
    def verb(self) -> str:
        return self.action.rpartition(".")[2]

    @property
    def headline(self) -> str:
        """What it does, and to how many, in the words of the page."""
        return nouns.headline(nouns.word(self.action), nouns.counted(self.total, self.target_kind))

    @property
    def is_going(self) -> bool:
        return self.state in (OperationState.PENDING, OperationState.RUNNING)

    @property
    def not_tried(self) -> int:
        """Targets that were left out, or taken back before they were sent."""
        return self.settled - self.succeeded - self.failed

    @property
    def open(self) -> int:
        return self.total - self.settled


class Command(models.Model):
    """One instruction for one agent. `fence` grows with each lease: an answer to an older lease is late.

    `bound`: nobody but its audience may carry it out, since it is about that very worker. `statement`: what it may do,
    the leaf with this `number` among `count` of the tree whose root stands in the entry `entry_id`; `way` leads there.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="commands")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="commands")
    engine = models.CharField(max_length=32)
    verb = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    audience = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="addressed")
    bound = models.BooleanField(default=False)
    leased_by = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="leased")
    state = models.CharField(max_length=16, choices=CommandState.choices, default=CommandState.QUEUED)
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)
    entry_id = models.UUIDField(null=True)
    statement = models.BinaryField(default=b"")
    number = models.PositiveIntegerField(default=0)
    count = models.PositiveIntegerField(default=0)
    way = models.BinaryField(default=b"")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["environment", "state", "id"], name="command_queue"),
            models.Index(fields=["state", "lease_expires_at"], name="command_leases"),
        ]


class Item(models.Model):
    """One target of an operation and its outcome; `outcome` stays null until it is settled.

    `part`: the worker it is asked of, where one target is asked of several. `left_out`: why nothing was asked of it.
    """

    id = models.BigAutoField(primary_key=True)
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="items")
    command = models.ForeignKey(Command, on_delete=models.SET_NULL, null=True, related_name="items")
    target_id = models.CharField(max_length=255)
    part = models.CharField(max_length=255, blank=True)
    label = models.CharField(max_length=512, blank=True)
    progress = models.CharField(max_length=16, choices=ItemProgress.choices, default=ItemProgress.WAITING)
    outcome = models.CharField(max_length=24, choices=ItemOutcome.choices, null=True)
    left_out = models.CharField(max_length=24, choices=LeftOut.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    new_task_id = models.CharField(max_length=255, blank=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["operation", "target_id", "part"], name="item_once")]
        indexes = [models.Index(fields=["target_id", "-id"], name="item_target")]


class Revealed(models.Model):
    """An original that an agent has encrypted to whoever asked for it: handed out once, and gone after five minutes."""

    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, primary_key=True, related_name="+")
    command = models.ForeignKey(Command, on_delete=models.CASCADE, related_name="+")
    blob = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()


class Snapshot(models.Model):
    """What a preview found, frozen: an operation that names it is about these targets and no others."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="snapshots")
    owner = models.CharField(max_length=80)
    action = models.CharField(max_length=64)
    filter = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    ids = models.JSONField()
    confirm = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()


class LateResult(models.Model):
    """An answer to a lease that had already passed to somebody else: kept, not applied."""

    command = models.ForeignKey(Command, on_delete=models.CASCADE, related_name="late")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="late")
    fence = models.PositiveIntegerField()
    results = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()


class IdempotencyKey(models.Model):
    """A key a token has used in the last 24 hours, with what it asked for and the operation it got."""

    owner = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_once")]
