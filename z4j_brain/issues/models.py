"""Issues: failures that are one and the same, and how many of them ended in which hour."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from z4j_brain.issues.states import IssueState
from z4j_brain.rbac.models import Environment


class Issue(models.Model):
    """Tasks that ended with one exception, at one frame of the user's own code, under one name.

    `count`: tasks that stand failed with it, whether they are still kept or not. A task that failed, was tried again by
    its engine and failed again is one of them, a retry of it as a new task another. `first_at` and `last_at`: when the
    first and the last of them ended, by their agents' clocks. `message`, `frame` and `sample`, the key of its task, are
    of the last one; `message` is guarded like that task's own. `first_code`, `last_code` and `resolved_code` are
    releases of the user's code. `regressed_at`: when it failed again after it was resolved; what was said then stays.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="issues", db_index=False)
    fingerprint = models.CharField(max_length=16)
    name = models.CharField(max_length=512, blank=True)
    error_type = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    frame = models.CharField(max_length=255, blank=True)
    sample = models.BigIntegerField()
    count = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    first_code = models.CharField(max_length=64, blank=True)
    last_code = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=IssueState.choices, default=IssueState.OPEN)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    snoozed_until = models.DateTimeField(null=True)
    snoozed_to = models.BigIntegerField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=255, blank=True)
    resolved_code = models.CharField(max_length=64, blank=True)
    regressed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["environment", "fingerprint"], name="issue_once")]
        indexes = [models.Index(fields=["environment", "state", "-last_at", "-id"], name="issue_list")]

    @property
    def is_touched(self) -> bool:
        """Has anybody said something about it?"""
        return self.state != IssueState.OPEN or self.assignee_id is not None or self.resolved_at is not None

    @property
    def is_back(self) -> bool:
        return self.regressed_at is not None and self.state != IssueState.RESOLVED


class Hour(models.Model):
    """How many tasks of an issue ended in one hour; `hour`: its begin, seconds since 1970."""

    id = models.BigAutoField(primary_key=True)
    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="hours", db_index=False)
    hour = models.BigIntegerField()
    count = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["issue", "hour"], name="issue_hour")]
