"""The states of operations, their items and their commands."""

from __future__ import annotations

from django.db import models


class OperationState(models.TextChoices):
    """How far a requested action has come. `succeeded`: the effect took place."""

    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    PARTIAL = "partial", "Partly done"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _STATES[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _STATES[self][1]


_STATES = {
    OperationState.AWAITING_APPROVAL: ("hourglass", "scheduled"),
    OperationState.PENDING: ("circle-dashed", "queued"),
    OperationState.RUNNING: ("circle-play", "started"),
    OperationState.PAUSED: ("circle-pause", "queued"),
    OperationState.SUCCEEDED: ("circle-check", "succeeded"),
    OperationState.FAILED: ("failed", "failed"),
    OperationState.PARTIAL: ("circle-minus", "rejected"),
    OperationState.EXPIRED: ("hourglass", "expired"),
    OperationState.CANCELLED: ("ban", "cancelled"),
}

TERMINAL = frozenset(
    {
        OperationState.SUCCEEDED,
        OperationState.FAILED,
        OperationState.PARTIAL,
        OperationState.EXPIRED,
        OperationState.CANCELLED,
    }
)


class ItemOutcome(models.TextChoices):
    """What became of one target. `requested` is not final: the engine still has to confirm it."""

    DONE = "done", "Done"
    ALREADY_FINAL = "already_final", "Already finished"
    ARGS_UNAVAILABLE = "args_unavailable", "Original arguments not available"
    NOT_FOUND = "not_found", "Not found"
    UNSUPPORTED = "unsupported", "Not supported by the engine"
    REFUSED = "refused", "Refused by the worker"
    NO_AGENT = "no_agent", "No agent answered"
    UNCONFIRMED = "unconfirmed", "Requested, never confirmed"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    SET_ASIDE = "set_aside", "Set aside after three tries"
    UNKNOWN = "unknown", "Nobody knows"
    CANCELLED = "cancelled", "Not sent"
    LEFT_OUT = "left_out", "Left out"

    @property
    def icon(self) -> str:
        return _OUTCOMES[self][0]

    @property
    def hue(self) -> str:
        return _OUTCOMES[self][1]


_OUTCOMES = {
    ItemOutcome.DONE: ("circle-check", "succeeded"),
    ItemOutcome.ALREADY_FINAL: ("skip-forward", "skipped"),
    ItemOutcome.ARGS_UNAVAILABLE: ("circle-minus", "rejected"),
    ItemOutcome.NOT_FOUND: ("circle-question-mark", "lost"),
    ItemOutcome.UNSUPPORTED: ("circle-minus", "rejected"),
    ItemOutcome.REFUSED: ("circle-minus", "rejected"),
    ItemOutcome.NO_AGENT: ("hourglass", "expired"),
    ItemOutcome.UNCONFIRMED: ("circle-question-mark", "lost"),
    ItemOutcome.FAILED: ("failed", "failed"),
    ItemOutcome.EXPIRED: ("hourglass", "expired"),
    ItemOutcome.SET_ASIDE: ("dead-letter", "dead_lettered"),
    ItemOutcome.UNKNOWN: ("circle-question-mark", "lost"),
    ItemOutcome.CANCELLED: ("ban", "cancelled"),
    ItemOutcome.LEFT_OUT: ("skip-forward", "skipped"),
}


class LeftOut(models.TextChoices):
    """Why nothing is asked of a target that was chosen. The sentence that comes with it says what to do about it."""

    ALREADY_RETRIED = "already_retried", "already retried"
    ALREADY_ASKED = "already_asked", "asked for already, by an operation that goes on"
    NOT_FINISHED = "not_finished", "not finished"
    ALREADY_FINAL = "already_final", "finished already"
    NOT_WAITING = "not_waiting", "not waiting in a queue"
    NOT_GIVEN_UP = "not_given_up", "not given up by its engine"
    ARGS_UNAVAILABLE = "args_unavailable", "arguments not available"
    WRONG_ARGUMENTS = "wrong_arguments", "arguments that its function does not take"
    UNSUPPORTED = "unsupported", "the engine cannot"
    NOT_PERMITTED = "not_permitted", "not yours to change"
    AGENT_OFFLINE = "agent_offline", "no agent answers"
    REFUSED = "refused", "refused by the worker's owner"
    NOBODY_TAKES = "nobody_takes", "no worker takes from it"
    VANISHED = "vanished", "no longer in its scheduler"
    GONE = "gone", "no longer here"


class ItemProgress(models.TextChoices):
    WAITING = "waiting", "Waiting"
    REQUESTED = "requested", "Requested"
    SETTLED = "settled", "Settled"

    @property
    def icon(self) -> str:
        return "circle-dot" if self is ItemProgress.REQUESTED else "circle-dashed"

    @property
    def hue(self) -> str:
        return "received" if self is ItemProgress.REQUESTED else "queued"


class CommandState(models.TextChoices):
    QUEUED = "queued", "Queued"
    LEASED = "leased", "Leased"
    SETTLED = "settled", "Settled"
    EXPIRED = "expired", "Expired"
    SET_ASIDE = "set_aside", "Set aside"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Relation(models.TextChoices):
    """What an operation is to the one that it came out of."""

    UNDO = "undo", "takes back"
    AGAIN = "again", "tries again"
