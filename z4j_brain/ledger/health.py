"""How the log is, as any process can say that reaches the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Entry, Standing, Unsealed
from z4j_brain.ledger.states import STOPPED, LogState

#: An entry that has waited for so long for its seal is a sign that nobody signs.
PATIENCE = timedelta(seconds=10)
#: Counting stops here.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class LogHealth:
    """`size` is that of the newest checkpoint, at `signed_at`; `unsealed` entries wait, `MOST` at most are counted."""

    state: LogState
    generation: int
    size: int
    signed_at: datetime | None
    unsealed: int
    oldest_unsealed: datetime | None
    reason: str = ""
    since: datetime | None = None

    @property
    def dispatches(self) -> bool:
        """Whether commands may be sent: not while the log is another one than was signed."""
        return self.state not in STOPPED

    @property
    def lag(self) -> timedelta:
        """For how long the oldest entry has waited for its seal."""
        return timezone.now() - self.oldest_unsealed if self.oldest_unsealed else timedelta()


def health() -> LogHealth:
    checkpoint, halted = proofs.latest(), stopped().first()
    first = Unsealed.objects.order_by("pk").values_list("pk", flat=True).first()
    oldest = Entry.objects.filter(pk=first).values_list("ts", flat=True).first() if first else None
    unsealed = len(Unsealed.objects.values_list("pk")[:MOST]) if first else 0
    state, reason = LogState.SEALING, ""
    if halted:
        state, reason = LogState(halted.state), halted.reason
    elif oldest and timezone.now() - oldest > PATIENCE:
        state, reason = LogState.NO_SIGNER, "Entries wait for their seal: does a process sign the log?"
    return LogHealth(
        state=state,
        generation=checkpoint.generation if checkpoint else 1,
        size=checkpoint.size if checkpoint else 0,
        signed_at=checkpoint.ts if checkpoint else None,
        unsealed=unsealed,
        oldest_unsealed=oldest,
        reason=reason,
        since=halted.since if halted else None,
    )


def may_dispatch() -> bool:
    """`health().dispatches`, for one small query."""
    return not stopped().exists()


def stopped() -> QuerySet[Standing]:
    """The row that says why nothing is dispatched; none while all is well."""
    return Standing.objects.filter(pk=1, state__in=STOPPED)
