"""The states of operations, their items and their commands."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy


class OperationState(models.TextChoices):
    """How far a requested action has come. `succeeded`: the effect took place."""

    AWAITING_APPROVAL = "awaiting_approval", gettext_lazy("Awaiting approval")
    PENDING = "pending", gettext_lazy("Pending")
    RUNNING = "running", gettext_lazy("Running")
    PAUSED = "paused", gettext_lazy("Paused")
    SUCCEEDED = "succeeded", gettext_lazy("Succeeded")
    FAILED = "failed", gettext_lazy("Failed")
    PARTIAL = "partial", gettext_lazy("Partly done")
    EXPIRED = "expired", gettext_lazy("Expired")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")

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

    DONE = "done", gettext_lazy("Done")
    ALREADY_FINAL = "already_final", gettext_lazy("Already finished")
    ARGS_UNAVAILABLE = "args_unavailable", gettext_lazy("Original arguments not available")
    NOT_FOUND = "not_found", gettext_lazy("Not found")
    UNSUPPORTED = "unsupported", gettext_lazy("Not supported by the engine")
    REFUSED = "refused", gettext_lazy("Refused by the worker")
    NO_AGENT = "no_agent", gettext_lazy("No agent answered")
    UNCONFIRMED = "unconfirmed", gettext_lazy("Requested, never confirmed")
    FAILED = "failed", gettext_lazy("Failed")
    EXPIRED = "expired", gettext_lazy("Expired")
    SET_ASIDE = "set_aside", gettext_lazy("Set aside after three tries")
    UNKNOWN = "unknown", gettext_lazy("Nobody knows")
    CANCELLED = "cancelled", gettext_lazy("Not sent")
    LEFT_OUT = "left_out", gettext_lazy("Left out")

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

    ALREADY_RETRIED = "already_retried", gettext_lazy("already retried")
    ALREADY_ASKED = "already_asked", gettext_lazy("asked for already, by an operation that goes on")
    NOT_FINISHED = "not_finished", gettext_lazy("not finished")
    ALREADY_FINAL = "already_final", gettext_lazy("finished already")
    NOT_WAITING = "not_waiting", gettext_lazy("not waiting in a queue")
    NOT_GIVEN_UP = "not_given_up", gettext_lazy("not given up by its engine")
    ARGS_UNAVAILABLE = "args_unavailable", gettext_lazy("arguments not available")
    WRONG_ARGUMENTS = "wrong_arguments", gettext_lazy("arguments that its function does not take")
    UNSUPPORTED = "unsupported", gettext_lazy("the engine cannot")
    NOT_PERMITTED = "not_permitted", gettext_lazy("not yours to change")
    AGENT_OFFLINE = "agent_offline", gettext_lazy("no agent answers")
    REFUSED = "refused", gettext_lazy("refused by the worker's owner")
    NOBODY_TAKES = "nobody_takes", gettext_lazy("no worker takes from it")
    VANISHED = "vanished", gettext_lazy("no longer in its scheduler")
    GONE = "gone", gettext_lazy("no longer here")


class ItemProgress(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting")
    REQUESTED = "requested", gettext_lazy("Requested")
    SETTLED = "settled", gettext_lazy("Settled")

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
