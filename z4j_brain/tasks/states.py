"""The states of a task: words, icons and hues of the panel, and which of them are final."""

from __future__ import annotations

from django.db import models
from z4j_core.wire import State


class TaskState(models.TextChoices):
    """The states of `z4j_core.wire.State` with the word people see. The value names the CSS class of its hue."""

    SCHEDULED = State.SCHEDULED.value, "Scheduled"
    QUEUED = State.QUEUED.value, "Queued"
    RECEIVED = State.RECEIVED.value, "Received"
    STARTED = State.STARTED.value, "Running"
    RETRYING = State.RETRYING.value, "Retrying"
    SUCCEEDED = State.SUCCEEDED.value, "Succeeded"
    FAILED = State.FAILED.value, "Failed"
    DEAD_LETTERED = State.DEAD_LETTERED.value, "Dead letter"
    CANCELLED = State.CANCELLED.value, "Cancelled"
    EXPIRED = State.EXPIRED.value, "Expired"
    REJECTED = State.REJECTED.value, "Rejected"
    SKIPPED = State.SKIPPED.value, "Skipped"
    LOST = State.LOST.value, "Lost"

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _ICONS[self]


_ICONS = {
    TaskState.SCHEDULED: "clock",
    TaskState.QUEUED: "circle-dashed",
    TaskState.RECEIVED: "circle-dot",
    TaskState.STARTED: "circle-play",
    TaskState.RETRYING: "rotate-cw",
    TaskState.SUCCEEDED: "circle-check",
    TaskState.FAILED: "failed",
    TaskState.DEAD_LETTERED: "dead-letter",
    TaskState.CANCELLED: "ban",
    TaskState.EXPIRED: "hourglass",
    TaskState.REJECTED: "circle-minus",
    TaskState.SKIPPED: "skip-forward",
    TaskState.LOST: "circle-question-mark",
}

TERMINAL = frozenset(
    {
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.DEAD_LETTERED,
        TaskState.CANCELLED,
        TaskState.EXPIRED,
        TaskState.REJECTED,
        TaskState.SKIPPED,
        TaskState.LOST,
    }
)
