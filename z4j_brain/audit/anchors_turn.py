"""The duty that brings new checkpoints to the anchors. Any number of processes may do it: each anchor is claimed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from z4j_brain.audit import anchors, siem_syslog
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.webhooks import Undelivered
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Checkpoint

#: An anchor is brought the newest checkpoint so often at most: the file does not grow without end.
EVERY = timedelta(seconds=30)
LEASE = timedelta(seconds=60)
SLOWEST = 300.0


def turn() -> None:
    """Bring each anchor that is due the newest checkpoint."""
    _ensure_usual()
    last = proofs.latest()
    if last is None:
        return
    behind = Q(generation__lt=last.generation) | Q(generation=last.generation, size__lt=last.size)
    for anchor in Anchor.objects.filter(behind, next_at__lte=timezone.now())[: anchors.MOST]:
        here = anchor.name != anchors.SYSTEM_LOG or siem_syslog.is_local()  # one of several machines may have none
        if here and claim(anchor):
            _bring(anchor, last)


def claim(outlet: Anchor | Stream) -> bool:
    """Take an outlet for this process. Of two that try, one gets it."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    outlet.leased_until = now + LEASE
    rows: QuerySet[Any] = type(outlet).objects.filter(free, pk=outlet.pk, next_at=outlet.next_at)
    return bool(rows.update(leased_until=outlet.leased_until))


def failed(outlet: Anchor | Stream, error: Exception) -> None:
    """It is tried again later, and later still when it goes on failing."""
    text = str(error) if isinstance(error, Undelivered) else f"It failed: {type(error).__name__}."
    wait = random.uniform(0.5, 1.0) * min(2.0 ** min(outlet.failures, 20), SLOWEST)  # noqa: S311
    mine(outlet).update(
        failures=F("failures") + 1,
        error=text[:500],
        next_at=timezone.now() + timedelta(seconds=wait),
        leased_until=None,
    )


def mine(outlet: Anchor | Stream) -> QuerySet[Any]:
    """Its row, while this process holds it: who comes back after its lease changes nothing."""
    return type(outlet).objects.filter(pk=outlet.pk, leased_until=outlet.leased_until)


def _bring(anchor: Anchor, last: Checkpoint) -> None:
    try:
        anchors.SEND[anchor.kind](anchor, last.note, last.ts)
    except Exception as error:  # noqa: BLE001
        failed(anchor, error)
        return
    now: datetime = timezone.now()
    mine(anchor).update(
        generation=last.generation,
        size=last.size,
        anchored_at=now,
        error="",
        failures=0,
        next_at=now + EVERY,
        leased_until=None,
    )


def _ensure_usual() -> None:
    """The anchors that the settings name, as they name them now."""
    wanted = anchors.usual()
    if gone := [name for name, is_on in anchors.switches().items() if not is_on]:
        Anchor.objects.filter(name__in=gone).delete()
    known = dict(Anchor.objects.filter(name__in=wanted).values_list("name", "address"))
    for name, (kind, address) in wanted.items():
        if name not in known:
            try:
                with transaction.atomic():
                    Anchor.objects.create(name=name, kind=kind, address=address)
            except IntegrityError:
                pass  # another process was first
        elif known[name] != address:
            Anchor.objects.filter(name=name).update(address=address, size=0, generation=0, next_at=timezone.now())
