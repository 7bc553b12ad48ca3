"""What happened, in bytes that never change, and what may be erased, apart from it.

`Entry.body` is canonical JSON; SHA-256 over 0x00 and the body is the leaf hash of RFC 6962. The columns beside it are
copies for searching. `EntryPrivate` holds what a person may have erased; the body keeps a salted commitment to it.
Both tables accept INSERT only: triggers in the migrations refuse the rest.
"""

from __future__ import annotations

from django.db import models

from z4j_brain.ledger.states import Outcome, Phase
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
