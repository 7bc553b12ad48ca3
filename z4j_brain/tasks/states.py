"""The states of a task, and what people may ask for one: words, icons and hues of the panel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy
from z4j_core.wire import State


class TaskState(models.TextChoices):
    """The states of `z4j_core.wire.State` with the word people see. The value names the CSS class of its hue."""

    SCHEDULED = State.SCHEDULED.value, pgettext_lazy("state of a task", "Scheduled")
    QUEUED = State.QUEUED.value, pgettext_lazy("state of a task", "Queued")
    RECEIVED = State.RECEIVED.value, pgettext_lazy("state of a task", "Received")
    STARTED = State.STARTED.value, pgettext_lazy("state of a task", "Running")
    RETRYING = State.RETRYING.value, pgettext_lazy("state of a task", "Retrying")
    SUCCEEDED = State.SUCCEEDED.value, pgettext_lazy("state of a task", "Succeeded")
    FAILED = State.FAILED.value, pgettext_lazy("state of a task", "Failed")
    DEAD_LETTERED = State.DEAD_LETTERED.value, pgettext_lazy("state of a task", "Dead letter")
    CANCELLED = State.CANCELLED.value, pgettext_lazy("state of a task", "Cancelled")
    EXPIRED = State.EXPIRED.value, pgettext_lazy("state of a task", "Expired")
    REJECTED = State.REJECTED.value, pgettext_lazy("state of a task", "Rejected")
    SKIPPED = State.SKIPPED.value, pgettext_lazy("state of a task", "Skipped")
    LOST = State.LOST.value, pgettext_lazy("state of a task", "Lost")

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

    CANCEL = "cancel", gettext_lazy("Cancel")
    REQUEUE = "requeue", gettext_lazy("Requeue")
    RETRY = "retry", gettext_lazy("Retry")
    RETRY_WITH = "retry_with", gettext_lazy("Retry with changes")
    MOVE = "move", gettext_lazy("Move to another queue")

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
        return str(_VERBS[self][2])


_VERBS = {
    TaskVerb.RETRY: ("rotate-cw", "r", gettext_lazy("Keep as it is")),
    TaskVerb.RETRY_WITH: ("rotate-cw", "", gettext_lazy("Keep as it is")),
    TaskVerb.CANCEL: ("", "c", gettext_lazy("Let it run")),
    TaskVerb.REQUEUE: ("undo-2", "u", gettext_lazy("Leave it there")),
    TaskVerb.MOVE: ("arrow-right", "", gettext_lazy("Leave it there")),
}
