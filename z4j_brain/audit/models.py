"""What leaves the log: checkpoints to anchors, entries to streams. Each row knows how far its receiver has come."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from z4j_brain.audit.states import AnchorKind, StreamKind


class Outlet(models.Model):
    """`secret` is encrypted. `error`: what went wrong last; nothing while `failures` is 0.

    `leased_until` keeps other processes away, `next_at` says when it is tried again.
    """

    address = models.CharField(max_length=500, blank=True)
    secret = models.CharField(max_length=500, blank=True)
    generation = models.IntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        default_permissions = ()


class Anchor(Outlet):
    """Where checkpoints are kept outside: `size` is that of the last one there, `anchored_at` when it came."""

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=AnchorKind.choices)
    size = models.BigIntegerField(default=0)
    anchored_at = models.DateTimeField(null=True)

    class Meta(Outlet.Meta):
        ordering = ["id"]


class Stream(Outlet):
    """Where sealed entries go, in the order of the log. `idx` is the leaf that is next, of `generation`.

    `personal`: with what can be erased here, and could not be there.
    """

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=StreamKind.choices)
    personal = models.BooleanField(default=False)
    idx = models.BigIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)

    class Meta(Outlet.Meta):
        ordering = ["id"]
