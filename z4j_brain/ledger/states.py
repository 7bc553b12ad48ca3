"""The kinds of entry a ledger holds, and how the log that seals them can be."""

from __future__ import annotations

from django.db import models


class Phase(models.TextChoices):
    """Where in the life of an action an entry stands."""

    REQUEST = "request", "requested"
    APPROVAL = "approval", "approval"
    DISPATCH = "dispatch", "dispatched"
    RESULT = "result", "result"
    EVENT = "event", "event"
    ADMIN = "admin", "administrative change"
    ERASURE = "erasure", "erasure"
    PRUNE = "prune", "pruning"


#: What says that something goes from the log.
REMOVING = (Phase.ERASURE, Phase.PRUNE)


class Outcome(models.TextChoices):
    ALLOWED = "allowed", "allowed"
    PENDING = "pending", "waits for approval"
    REFUSED = "refused", "refused"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    UNKNOWN = "unknown", "unknown"


class LogState(models.TextChoices):
    """How the log is. Its subset `STOPPED` is below."""

    SEALING = "sealing", "in order"
    NO_SIGNER = "no_signer", "nobody seals"
    ROLLBACK = "rollback", "not the log that was signed"
    UNTRUSTED = "untrusted", "never seen by this signer"


#: Nothing is sealed and nothing dispatched until a person has decided.
STOPPED = (LogState.ROLLBACK, LogState.UNTRUSTED)
