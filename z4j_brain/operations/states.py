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
    REFUSED = "refused", "Refused by the worker's own settings"
    NO_AGENT = "no_agent", "No agent answered"
    UNCONFIRMED = "unconfirmed", "Requested, never confirmed"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    SET_ASIDE = "set_aside", "Set aside after three tries"


class ItemProgress(models.TextChoices):
    WAITING = "waiting", "Waiting"
    REQUESTED = "requested", "Requested"
    SETTLED = "settled", "Settled"


class CommandState(models.TextChoices):
    QUEUED = "queued", "Queued"
    LEASED = "leased", "Leased"
    SETTLED = "settled", "Settled"
    EXPIRED = "expired", "Expired"
    SET_ASIDE = "set_aside", "Set aside"
