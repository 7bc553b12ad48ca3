"""What happened, in bytes that never change, and what may be erased, apart from it.

`Entry.body` is canonical JSON; SHA-256 over 0x00 and the body is the leaf hash of RFC 6962. The columns beside it are
copies for searching. `EntryPrivate` holds what a person may have erased; the body keeps a salted commitment to it.
An entry waits in `Unsealed` until it is a leaf of the log's tree. Tiles hold the tree, checkpoints what was signed.
All these tables accept INSERT only, with the few exceptions that triggers in the migrations name and check.
"""

from __future__ import annotations

from django.db import models

from z4j_brain.ledger.states import LogState, Outcome, Phase
from z4j_brain.lib.ids import uuid7


class Entry(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    body = models.BinaryField()
    leaf_hash = models.BinaryField(max_length=32)
    ts = models.DateTimeField()
    project = models.CharField(max_length=64, blank=True)
    environment = models.CharField(max_length=64, blank=True)
    phase = models.CharField(max_length=16, choices=Phase.choices)
    action = models.CharField(max_length=64)
    actor_type = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32, blank=True)
    target_id = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["project", "environment", "target_type", "target_id", "id"], name="entry_target"),
            models.Index(fields=["project", "environment", "id"], name="entry_place"),
        ]


class EntryPrivate(models.Model):
    entry = models.OneToOneField(Entry, primary_key=True, on_delete=models.DO_NOTHING, related_name="private")
    salt = models.BinaryField(max_length=32)
    payload = models.BinaryField()

    class Meta:
        default_permissions = ()


class Unsealed(models.Model):
    """An entry that is not in the tree yet. Its row goes in the transaction that makes it a leaf."""

    entry = models.OneToOneField(
        Entry, primary_key=True, on_delete=models.DO_NOTHING, related_name="unsealed", db_constraint=False
    )
    urgent = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()


class Leaf(models.Model):
    """Where an entry stands in the tree of its generation. It stays when the entry is pruned."""

    pk = models.CompositePrimaryKey("generation", "idx")
    generation = models.IntegerField()
    idx = models.BigIntegerField()
    entry_id = models.UUIDField(unique=True)
    leaf_hash = models.BinaryField(max_length=32)

    class Meta:
        default_permissions = ()


class Tile(models.Model):
    """Up to 256 hashes side by side, of subtrees of 256**level leaves each (C2SP tlog-tiles). It grows until full."""

    pk = models.CompositePrimaryKey("generation", "level", "n")
    generation = models.IntegerField()
    level = models.SmallIntegerField()
    n = models.BigIntegerField()
    hashes = models.BinaryField(max_length=8192)

    class Meta:
        default_permissions = ()


class Checkpoint(models.Model):
    """What was signed: a note that says the size and the root."""

    pk = models.CompositePrimaryKey("generation", "size")
    generation = models.IntegerField()
    size = models.BigIntegerField()
    note = models.TextField()
    ts = models.DateTimeField()

    class Meta:
        default_permissions = ()


class Erased(models.Model):
    """The erasable part of an entry is gone, or about to be, as the sealed entry `by_id` says."""

    entry_id = models.UUIDField(primary_key=True)
    by_id = models.UUIDField()

    class Meta:
        default_permissions = ()


class Pruned(models.Model):
    """Entries of a generation below an index are gone, or about to be, as the sealed entry `by_id` says."""

    pk = models.CompositePrimaryKey("generation", "below")
    generation = models.IntegerField()
    below = models.BigIntegerField()
    by_id = models.UUIDField()

    class Meta:
        default_permissions = ()


class Standing(models.Model):
    """One row, by which the signer tells every process that it refuses to sign, and why."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    state = models.CharField(max_length=16, choices=LogState.choices)
    reason = models.TextField(blank=True)
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
