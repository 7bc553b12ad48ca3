"""What somebody has read: a fact about a page, not an action, so the audit log does not hold it."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from z4j_brain.notifications import queries
from z4j_brain.notifications.models import Reading
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: Rows that one run of `prune` takes.
PRUNED = 500


def read(actor: Actor, environment: Environment, keys: Collection[str]) -> None:
    """These single ones, as far as they are there; without any, all that are there."""
    if actor.user is None:
        return
    there = {one.key for one in queries.tray(actor, environment).notifications}
    with transaction.atomic():
        row, _ = Reading.objects.select_for_update().get_or_create(environment=environment, user=actor.user)
        if keys:
            row.keys = sorted(there & {*row.keys, *keys})
        else:
            row.until, row.keys = timezone.now(), []
        row.changed_at = timezone.now()
        row.save()


def prune() -> None:
    """A duty: what was read before anything that is still told needs no remembering."""
    old = Reading.objects.filter(changed_at__lt=timezone.now() - queries.KEPT).order_by("changed_at")
    if keys := list(old.values_list("pk", flat=True)[:PRUNED]):
        Reading.objects.filter(pk__in=keys).delete()
