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

    @property
    def page(self) -> str:
        """The address at which it is asked for."""
        return f"task-{self.value}"

    @property
    def icon(self) -> str:
        return _VERBS[self][0]

    @property
    def key(self) -> str:
        """Of the keyboard, on a task's page."""
        return _VERBS[self][1]

    @property
    def done(self) -> str:
        return _VERBS[self][2]

    @property
    def stays(self) -> str:
        """The button that asks for nothing, of one task."""
        return _VERBS[self][3]

    @property
    def all_stay(self) -> str:
        """The button that asks for nothing, of several."""
        return _VERBS[self][4]

    @property
    def promise(self) -> str:
        """What becomes of the tasks it is asked for."""
        return _VERBS[self][5]


_VERBS = {
    TaskVerb.RETRY: (
        "rotate-cw",
        "r",
        "Retried",
        "Keep as it is",
        "Keep as they are",
        "Each becomes a new task with the same arguments in the same queue, linked to the old one.",
    ),
    TaskVerb.CANCEL: (
        "",
        "c",
        "Cancelled",
        "Let it run",
        "Let them run",
        "Queued tasks are dropped when a worker reaches them, running ones are stopped. The worker confirms each.",
    ),
    TaskVerb.REQUEUE: (
        "undo-2",
        "u",
        "Requeued",
        "Leave it there",
        "Leave them there",
        "What the engine gave up and still keeps goes back into its queue, under its own id.",
    ),
}
