"""The door by which the erasable part of entries leaves: only when a sealed entry names them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction

from z4j_brain.ledger.models import EntryPrivate, Erased


def naming(entry_ids: Sequence[UUID]) -> list[str]:
    """How the body of an erasure entry names entries: `facts={"entries": naming(...)}`. The guards look for it."""
    return [entry_id.hex for entry_id in entry_ids]


def erase(entry_ids: Sequence[UUID], *, by: UUID) -> int:
    """Delete the erasable part of these entries, in the caller's transaction or one of its own; how many there were.

    `by`: the sealed entry of the phase `erasure` that names them all. The database refuses everything else.
    """
    ids = list(entry_ids)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT ledger_erase(%s, %s)", [ids, by])
                return int(cursor.fetchone()[0])
        known = set(Erased.objects.filter(pk__in=ids).values_list("pk", flat=True))
        Erased.objects.bulk_create([Erased(entry_id=pk, by_id=by) for pk in dict.fromkeys(ids) if pk not in known])
        return EntryPrivate.objects.filter(pk__in=ids).delete()[0]
