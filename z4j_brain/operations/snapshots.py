"""What previews found, kept for an hour, so that the run is about the very targets that a person was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from z4j_brain.operations.models import Snapshot
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

KEPT = timedelta(hours=1)
#: Of one actor, so many at a time: the newest.
MOST = 20


def keep(
    environment: Environment,
    actor: Actor,
    action: str,
    given: Mapping[str, Any],
    ids: Sequence[str],
    confirm: int | None,
    options: Mapping[str, Any],
) -> Snapshot:
    """`options`: as they were previewed; a run that names the preview begins with them."""
    older = Snapshot.objects.filter(owner=_owner(actor)).order_by("-created_at").values_list("pk", flat=True)
    Snapshot.objects.filter(pk__in=list(older[MOST - 1 :])).delete()
    return Snapshot.objects.create(
        environment=environment,
        owner=_owner(actor),
        action=action,
        filter=dict(given),
        options=dict(options),
        ids=list(ids),
        confirm=confirm,
    )


def find(environment: Environment, actor: Actor, action: str, pk: UUID) -> Snapshot | None:
    """The actor's own, for this action; None when there is none or its hour is over."""
    since = timezone.now() - KEPT
    mine = Snapshot.objects.filter(environment=environment, owner=_owner(actor), action=action)
    return mine.filter(pk=pk, created_at__gt=since).first()


def prune(now: datetime | None = None) -> None:
    Snapshot.objects.filter(created_at__lt=(now or timezone.now()) - KEPT).delete()


def _owner(actor: Actor) -> str:
    return f"{actor.type}:{actor.id}"
