"""Streams of entries to whoever watches: sealed ones only, in the order of the log, each at least once.

A stream's cursor is the next leaf. It moves when the receiver has taken what was before it, and not earlier: after a
crash some entries are sent again, none is left out.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone

from z4j_brain.audit import queries, siem_syslog, webhooks
from z4j_brain.audit.anchors_turn import LEASE, claim, failed, mine
from z4j_brain.audit.models import Stream
from z4j_brain.audit.queries import Touch
from z4j_brain.audit.siem_syslog import NOTICE, WARNING, Collector
from z4j_brain.audit.states import Arrival, StreamKind
from z4j_brain.ledger.models import Checkpoint, Entry, Leaf
from z4j_brain.ledger.states import Outcome
from z4j_brain.lib import fields

#: Entries that are sent at once, and how long one stream may go on before another one's turn.
BATCH = 200
TURN = 5.0
MOST = 32
LATE_AFTER = timedelta(minutes=5)
_GRAVE = (Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A leaf with its entry; None where that was pruned."""

    leaf: Leaf
    entry: Entry | None


def turn() -> None:
    """Send on what is sealed, on each stream that is due."""
    for stream in Stream.objects.filter(paused_at=None, next_at__lte=timezone.now())[:MOST]:
        if ahead(stream) and claim(stream):
            _run(stream)


def ahead(stream: Stream, most: int = BATCH) -> list[Leaf]:
    """The next leaves of a stream that a checkpoint covers, in their order; those of the next log when one ended."""
    signed = Checkpoint.objects.filter(generation=stream.generation).order_by("-size").values_list("size", flat=True)
    here = Leaf.objects.filter(generation=stream.generation, idx__gte=stream.idx, idx__lt=signed.first() or 0)
    if found := list(here.order_by("idx")[:most]):
        return found
    later = Checkpoint.objects.filter(generation__gt=stream.generation, size__gt=0).order_by("generation", "-size")
    if (follows := later.first()) is None:
        return []
    there = Leaf.objects.filter(generation=follows.generation, idx__lt=follows.size)
    return list(there.order_by("idx")[:most])


def sealed(leaves: Sequence[Leaf]) -> list[Sealed]:
    rows = Entry.objects.select_related("private").in_bulk([leaf.entry_id for leaf in leaves])
    return [Sealed(leaf, rows.get(leaf.entry_id)) for leaf in leaves]


def to_syslog(stream: Stream, batch: Sequence[Sealed]) -> None:
    Collector.of(stream.address).send([_line(one, personal=stream.personal) for one in batch])


def to_webhook(stream: Stream, batch: Sequence[Sealed]) -> None:
    """One JSON object a line, under one signature."""
    lines = [json.dumps(as_json(one, personal=stream.personal), separators=(",", ":")) for one in batch]
    body = ("\n".join(lines) + "\n").encode()
    webhooks.post(stream.address, body, fields.decrypt(stream.secret), "application/x-ndjson")


SEND: dict[str, Callable[[Stream, Sequence[Sealed]], None]] = {
    StreamKind.SYSLOG: to_syslog,
    StreamKind.WEBHOOK: to_webhook,
}


def as_json(one: Sealed, *, personal: bool) -> dict[str, Any]:
    """An entry as a receiver reads it. `body` is what the leaf is the hash of."""
    facts = {"generation": one.leaf.generation, "index": one.leaf.idx, "id": str(one.leaf.entry_id)}
    if one.entry is None:
        return facts | {"pruned": True}
    private = {"private": queries.private_part(one.entry)} if personal else {}
    body = bytes(one.entry.body)
    return facts | {"entry": json.loads(body), "body": base64.b64encode(body).decode()} | private


def check(kind: StreamKind, address: str) -> None:
    """Raises ValidationError for what a stream of this kind cannot have as its address."""
    if kind == StreamKind.WEBHOOK:
        webhooks.check(address)
    else:
        Collector.of(address)


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream as people see it: how many entries it has to send, and since when."""

    stream: Stream
    behind: int
    since: datetime | None
    arrival: Arrival


def flows() -> list[Flow]:
    return [_flow(stream) for stream in Stream.objects.all()[:MOST]]


def _flow(stream: Stream) -> Flow:
    rows = Checkpoint.objects.filter(generation__gte=stream.generation).order_by()
    sizes = dict(rows.values_list("generation").annotate(most=Max("size")))
    behind = sum(sizes.values()) - (stream.idx if stream.generation in sizes else 0)
    beyond = Q(generation__gt=stream.generation) | Q(size__gt=stream.idx)
    missing = rows.filter(beyond).order_by("generation", "size")
    since = missing.values_list("ts", flat=True).first() if behind > 0 else None
    if stream.paused_at:
        return Flow(stream, behind, since, Arrival.PAUSED)
    if behind <= 0:
        return Flow(stream, 0, None, Arrival.CURRENT)
    late = since is not None and timezone.now() - max(since, stream.created_at) > LATE_AFTER
    return Flow(stream, behind, since, Arrival.LATE if late else Arrival.WAITING)


def _run(stream: Stream) -> None:
    ends = time.monotonic() + TURN
    while leaves := ahead(stream):
        try:
            SEND[stream.kind](stream, sealed(leaves))
        except Exception as error:  # noqa: BLE001
            failed(stream, error)
            return
        if not _moved(stream, leaves[-1]) or time.monotonic() > ends:
            break
    mine(stream).update(leased_until=None)


def _moved(stream: Stream, last: Leaf) -> bool:
    """The receiver has taken all up to this leaf. False when this process held the stream no longer."""
    now = timezone.now()
    generation, idx, lease = last.generation, last.idx + 1, now + LEASE
    still = mine(stream).filter(paused_at=None)
    if not still.update(generation=generation, idx=idx, leased_until=lease, sent_at=now, error="", failures=0):
        return False
    stream.generation, stream.idx, stream.leased_until = generation, idx, lease
    return True


def _line(one: Sealed, *, personal: bool) -> bytes:
    where = {"generation": str(one.leaf.generation), "leaf": str(one.leaf.idx), "id": str(one.leaf.entry_id)}
    if one.entry is None:
        return siem_syslog.line("pruned", timezone.now(), where, "this entry was pruned")
    touch, body = Touch.from_entry(one.entry), queries.body_of(one.entry)
    facts = {
        "project": touch.project,
        "environment": touch.environment,
        "phase": touch.phase,
        "action": touch.action,
        "actorType": touch.actor_type,
        "actorId": touch.actor_id,
        "targetType": touch.target_type,
        "targetId": touch.target_id,
        "outcome": touch.outcome,
        "rule": str(body.get("reason_code", "")),
        "requestId": str(body.get("request_id", "")),
    }
    if personal and touch.private is not None:
        facts |= {"actor": touch.actor, "ip": str(touch.private.get("ip", "")), "reason": touch.reason}
    severity = WARNING if touch.outcome in _GRAVE else NOTICE
    return siem_syslog.line(touch.action, touch.ts, where | facts, f"{touch.action} {touch.outcome}", severity)
