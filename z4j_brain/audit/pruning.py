"""Pruning the audit trail: old entries leave for an archive. The tree stays, and with it every proof.

The archive is written first, an export of what goes; its hash stands in the entry that says so. That is sealed and
anchored, and only then are the rows deleted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.core.exceptions import ValidationError

from z4j_brain.audit import actions, export, parts, removals
from z4j_brain.audit.export import Wanted
from z4j_brain.ledger.models import Entry, Leaf
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import Actor


@dataclass(frozen=True, slots=True)
class Cut:
    """What is to go: the entries of a generation below an index."""

    generation: int
    below: int
    count: int


def before(when: datetime) -> Cut | None:
    """The entries older than this, as far as they stand in a row from the log's first one that is left."""
    for generation in parts.generations():
        size, first = parts.size_of(generation), parts.pruned_below(generation)
        if first < size:
            below = _first_since(generation, first, size, when)
            return Cut(generation, below, below - first) if below > first else None
    return None


def prune(cut: Cut, archive: Path, *, actor: Actor, reason: str = "") -> UUID:
    """Write the archive, and ask that what it holds goes. Raises ValidationError, also when there is such a file."""
    if removals.is_held():
        raise ValidationError("The log is under legal hold: nothing is erased or pruned until that is lifted.")
    try:
        descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ValidationError(f"{archive} is there already.") from error
    with os.fdopen(descriptor, "wb") as file:
        receipt = export.write(file, Wanted(), below=(cut.generation, cut.below))
        file.flush()
        os.fsync(file.fileno())
    return actions.prune(INSTANCE, cut.generation, cut.below, receipt.sha256, actor=actor, reason=reason)


def _first_since(generation: int, first: int, size: int, when: datetime) -> int:
    """The index of the first entry that is not older, step by step: order in the log is not order in time."""
    for start in range(first, size, parts.STEP):
        leaves = Leaf.objects.filter(generation=generation, idx__gte=start, idx__lt=min(start + parts.STEP, size))
        young = Entry.objects.filter(pk__in=leaves.values("entry_id"), ts__gte=when).values_list("pk", flat=True)
        index = leaves.filter(entry_id__in=list(young)).order_by("idx").values_list("idx", flat=True).first()
        if index is not None:
            return index
    return size
