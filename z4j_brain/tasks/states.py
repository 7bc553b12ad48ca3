"""The states of a task, and what people may ask for one: words, icons and hues of the panel."""

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

#: What an engine has given up and may still keep.
GIVEN_UP = frozenset({TaskState.FAILED, TaskState.DEAD_LETTERED, TaskState.CANCELLED})


class TaskVerb(models.TextChoices):
    """What people may ask for a task. The value is the agent's verb, the label the word on the button."""

    CANCEL = "cancel", "Cancel"
    REQUEUE = "requeue", "Requeue"
    RETRY = "retry", "Retry"
    RETRY_WITH = "retry_with", "Retry with changes"
    MOVE = "move", "Move to another queue"

    @property
    def asks_first(self) -> bool:
        """It cannot be asked for without more words: it has a page, not a dialog."""
        return self in (TaskVerb.RETRY_WITH, TaskVerb.MOVE)

    @property
    def action(self) -> str:
        """The action that it is asked for by."""
        return f"task.{self.value}"

    @property
    def icon(self) -> str:
        return _VERBS[self][0]

    @property
    def key(self) -> str:
        """Of the keyboard, on a task's page."""
        return _VERBS[self][1]

    @property
    def stays(self) -> str:
        """The button that asks for nothing, of one task."""
        return _VERBS[self][2]


_VERBS = {
    TaskVerb.RETRY: ("rotate-cw", "r", "Keep as it is"),
    TaskVerb.RETRY_WITH: ("rotate-cw", "", "Keep as it is"),
    TaskVerb.CANCEL: ("", "c", "Let it run"),
    TaskVerb.REQUEUE: ("undo-2", "u", "Leave it there"),
    TaskVerb.MOVE: ("arrow-right", "", "Leave it there"),
}
