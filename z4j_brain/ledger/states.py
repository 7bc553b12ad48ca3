"""The kinds of entry a ledger holds, and how the log that seals them can be."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy


class Phase(models.TextChoices):
    """Where in the life of an action an entry stands."""

    REQUEST = "request", pgettext_lazy("phase", "requested")
    APPROVAL = "approval", pgettext_lazy("phase", "approval")
    DISPATCH = "dispatch", pgettext_lazy("phase", "dispatched")
    RESULT = "result", pgettext_lazy("phase", "result")
    EVENT = "event", pgettext_lazy("phase", "event")
    ADMIN = "admin", pgettext_lazy("phase", "administrative change")
    ERASURE = "erasure", pgettext_lazy("phase", "erasure")
    PRUNE = "prune", pgettext_lazy("phase", "pruning")


#: What says that something goes from the log.
REMOVING = (Phase.ERASURE, Phase.PRUNE)


class Outcome(models.TextChoices):
    ALLOWED = "allowed", pgettext_lazy("outcome", "allowed")
    PENDING = "pending", pgettext_lazy("outcome", "waits for approval")
    REFUSED = "refused", pgettext_lazy("outcome", "refused")
    SUCCEEDED = "succeeded", pgettext_lazy("outcome", "succeeded")
    FAILED = "failed", pgettext_lazy("outcome", "failed")
    UNKNOWN = "unknown", pgettext_lazy("outcome", "unknown")


class LogState(models.TextChoices):
    """How the log is. Its subset `STOPPED` is below."""

    SEALING = "sealing", pgettext_lazy("log", "in order")
    NO_SIGNER = "no_signer", gettext_lazy("nobody seals")
    ROLLBACK = "rollback", gettext_lazy("not the log that was signed")
    UNTRUSTED = "untrusted", gettext_lazy("never seen by this signer")


#: Nothing is sealed and nothing dispatched until a person has decided.
STOPPED = (LogState.ROLLBACK, LogState.UNTRUSTED)
