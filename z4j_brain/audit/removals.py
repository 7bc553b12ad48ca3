"""What was said to go goes: once the entry that says so is sealed, and, before entries are pruned, anchored.

This runs in the signer's process after each round of sealing. What a crash left undone is found when it starts.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from z4j_brain.audit.models import Anchor
from z4j_brain.ledger import entries, erasure, pruning, sealing
from z4j_brain.ledger.models import Entry, Erased, Leaf, Pruned, Unsealed
from z4j_brain.ledger.sealing import Sealed
from z4j_brain.ledger.signer import Signer
from z4j_brain.ledger.states import REMOVING, Outcome, Phase
from z4j_brain.rbac.actor import SYSTEM

logger = logging.getLogger(__name__)

HOLD, LIFT = "audit.hold", "audit.lift_hold"
#: Entries of the instance itself: few, and on an index.
_INSTANCE = {"project": "", "environment": ""}
#: Erasures and prunings that are sealed and not carried out; None before this process has looked.
_pending: set[UUID] | None = None


class Unfinished(Exception):
    """It is sealed or will be, and then carried out, but not yet."""


def is_held() -> bool:
    """Is the log under legal hold?"""
    found = Entry.objects.filter(action__in=(HOLD, LIFT), outcome=Outcome.ALLOWED, **_INSTANCE)
    return found.order_by("-id").values_list("action", flat=True).first() == HOLD


def undone(among: Iterable[UUID] | None = None) -> QuerySet[Entry]:
    """Sealed entries which say that something goes, and of which no result says what went. `among`: only of these."""
    said = Entry.objects.filter(phase__in=REMOVING, outcome=Outcome.ALLOWED)
    if among is not None:
        said = said.filter(pk__in=among)
    sealed = Exists(Leaf.objects.filter(entry_id=OuterRef("pk")))
    done = Exists(Erased.objects.filter(by_id=OuterRef("pk"))) | Exists(Pruned.objects.filter(by_id=OuterRef("pk")))
    left = said.filter(sealed).exclude(done).order_by("pk")
    return left.exclude(pk__in=[entry.pk for entry in left if _has_result(entry)])


def on_sealed(sealed: Sealed) -> None:
    """Carry out what was sealed now, and what had to wait."""
    global _pending
    if _pending is None:
        _pending = set(undone().values_list("pk", flat=True))
    elif not sealed.phases.isdisjoint(REMOVING):
        since = Leaf.objects.filter(
            generation=sealed.generation, idx__gte=sealed.size - sealed.count, idx__lt=sealed.size
        )
        _pending |= set(undone(since.values_list("entry_id", flat=True)).values_list("pk", flat=True))
    for pk in sorted(_pending):
        entry = undone([pk]).first()
        if entry is None or carry_out(entry):
            _pending.discard(pk)


def carry_out(entry: Entry) -> bool:
    """Delete what a sealed entry names and append the result, together; False while something is missing for that, or
    while the log is under legal hold.
    """
    body = json.loads(bytes(entry.body))
    if is_held():
        return False
    if entry.phase == Phase.PRUNE and not _is_anchored(entry):
        return False
    with transaction.atomic():
        gone = _delete(entry, body)
        entries.append(
            phase=Phase.RESULT,
            action=entry.action,
            actor=SYSTEM,
            outcome=Outcome.SUCCEEDED,
            project=entry.project,
            environment=entry.environment,
            target=(entry.target_type, entry.target_id),
            params={"gone": gone},
            parent=entry.pk,
        )
    logger.warning("audit_removed action=%s entry=%s gone=%s", entry.action, entry.pk, gone)
    return True


def wait(*said: UUID, patience: float = 60) -> None:
    """Until what these entries say is done. Where the signer's file lies and nobody signs, it is signed here.

    Raises `Unfinished`.
    """
    until = time.monotonic() + patience
    signer = Signer()
    while not _is_done(said):
        if signer.folder.file.exists() and signer.hold():
            try:
                sealing.seal(signer)
                for entry in undone(said):
                    carry_out(entry)
                sealing.seal(signer)
            finally:
                signer.release()
        if not _is_done(said):
            if time.monotonic() > until:
                raise Unfinished("It is recorded, and waits for its seal or for an anchor. Then it is carried out.")
            time.sleep(0.2)


def _delete(entry: Entry, body: dict[str, Any]) -> int:
    if entry.phase == Phase.ERASURE:
        return erasure.erase([UUID(hex=name) for name in body["entries"]], by=entry.pk)
    return pruning.prune(body["generation"], body["below"], by=entry.pk)


def _has_result(entry: Entry) -> bool:
    """What another one erased before it leaves it no row of its own: its result still says that it is done."""
    place = {"project": entry.project, "environment": entry.environment}
    results = Entry.objects.filter(phase=Phase.RESULT, action=entry.action, pk__gt=entry.pk, **place)
    parent = str(entry.pk)
    return any(json.loads(bytes(body))["parent"] == parent for body in results.values_list("body", flat=True))


def _is_anchored(entry: Entry) -> bool:
    """Does at least one anchor have a checkpoint that covers this entry? Where there are no anchors, none is asked."""
    place = Leaf.objects.filter(entry_id=entry.pk).values_list("generation", "idx").first()
    if place is None or not Anchor.objects.exists():
        return place is not None
    generation, index = place
    return (
        Anchor.objects.filter(generation__gt=generation).exists()
        or Anchor.objects.filter(generation=generation, size__gt=index).exists()
    )


def _is_done(said: tuple[UUID, ...]) -> bool:
    waits = Unsealed.objects.filter(entry_id__in=said).exists()
    return not waits and not undone(said).exists()
