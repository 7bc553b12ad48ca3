"""The kinds of entry a ledger holds."""

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


class Outcome(models.TextChoices):
    ALLOWED = "allowed", "allowed"
    REFUSED = "refused", "refused"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    UNKNOWN = "unknown", "unknown"
