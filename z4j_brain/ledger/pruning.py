"""The door by which old entries leave: only when a sealed entry says so. The tree stays, and so does every proof."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from z4j_brain.ledger.models import Entry, EntryPrivate, Leaf, Pruned


def prune(generation: int, below: int, *, by: UUID) -> int:
    """Delete the entries of a generation whose index is below this one; how many there were.

    `by`: the sealed entry of the phase `prune` whose body says the same (`facts={"generation": ..., "below": ...}`).
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT ledger_prune(%s, %s, %s)", [generation, below, by])
                return int(cursor.fetchone()[0])
        Pruned.objects.create(generation=generation, below=below, by_id=by)
        gone = Leaf.objects.filter(generation=generation, idx__lt=below).values("entry_id")
        EntryPrivate.objects.filter(pk__in=gone).delete()
        return Entry.objects.filter(pk__in=gone).delete()[0]
