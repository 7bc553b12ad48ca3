"""Anchors: places outside the database that remember checkpoints, so that no later change of it goes unseen.

One more kind is one more function that takes a note or raises `Undelivered`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from z4j_core import note

from z4j_brain.audit import siem_syslog, webhooks
from z4j_brain.audit.models import Anchor
from z4j_brain.audit.siem_syslog import Collector
from z4j_brain.audit.states import AnchorKind, Arrival
from z4j_brain.audit.webhooks import Undelivered
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Checkpoint
from z4j_brain.lib import fields

#: From here on an anchor is late: so long after the first checkpoint that it lacks, or so many entries behind.
LATE_AFTER = timedelta(minutes=5)
LATE_BY = 1_000
MOST = 32
#: The names of those that the settings make, and how a setting says that there is none.
FILE, SYSTEM_LOG = "file", "system log"
OFF = "off"


def to_file(anchor: Anchor, text: str, ts: datetime) -> None:
    """Append, and wait until it is on the disk. The file is the owner's alone, and never read or cut here."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        Path(anchor.address).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(anchor.address, flags, 0o600)
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
            whole = f"{text}\n".encode()
            if os.write(descriptor, whole) != len(whole):
                raise Undelivered(f"{anchor.address} took only a part: is the disk full?")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Undelivered(f"{anchor.address}: {error.strerror}.") from error


def to_syslog(anchor: Anchor, text: str, ts: datetime) -> None:
    told = note.read(text).checkpoint
    facts = {"origin": told.origin, "size": str(told.size), "root": base64.b64encode(told.root).decode()}
    facts["note"] = base64.b64encode(text.encode()).decode()
    words = f"checkpoint of {told.origin}: {told.size} entries"
    Collector.of(anchor.address).send([siem_syslog.line("checkpoint", ts, facts, words)])


def to_webhook(anchor: Anchor, text: str, ts: datetime) -> None:
    webhooks.post(anchor.address, text.encode(), fields.decrypt(anchor.secret), "text/plain; charset=utf-8")


SEND: dict[str, Callable[[Anchor, str, datetime], None]] = {
    AnchorKind.FILE: to_file,
    AnchorKind.SYSLOG: to_syslog,
    AnchorKind.WEBHOOK: to_webhook,
}


def check(kind: AnchorKind, address: str) -> None:
    """Raises ValidationError for what an anchor of this kind cannot have as its address."""
    if kind == AnchorKind.WEBHOOK:
        webhooks.check(address)
    elif kind == AnchorKind.SYSLOG:
        Collector.of(address)
    else:
        raise ValidationError({"kind": gettext("The file is set by Z4J_ANCHOR_FILE, on the brain's machine.")})


@dataclass(frozen=True, slots=True)
class Held:
    """An anchor as people see it: how far it is behind."""

    anchor: Anchor
    behind: int
    since: datetime | None
    arrival: Arrival


def held() -> list[Held]:
    """Every anchor, with its lag."""
    last = proofs.latest()
    return [_held(anchor, last) for anchor in Anchor.objects.all()[:MOST]]


def usual() -> dict[str, tuple[AnchorKind, str]]:
    """Those that are there without anybody's asking, by name: the file, and the system's log if it has one."""
    on, found = switches(), {}
    if on[FILE]:
        found[FILE] = (AnchorKind.FILE, settings.Z4J_ANCHOR_FILE)
    if on[SYSTEM_LOG] and siem_syslog.is_local():
        found[SYSTEM_LOG] = (AnchorKind.SYSLOG, f"unix://{siem_syslog.LOCAL}")
    return found


def switches() -> dict[str, bool]:
    """Which of those the settings want."""
    return {FILE: settings.Z4J_ANCHOR_FILE != OFF, SYSTEM_LOG: settings.Z4J_ANCHOR_SYSLOG != OFF}


def _held(anchor: Anchor, last: Checkpoint | None) -> Held:
    if last is None or (anchor.generation, anchor.size) >= (last.generation, last.size):
        return Held(anchor, 0, None, Arrival.CURRENT)
    known = anchor.size if anchor.generation == last.generation else 0
    missing = Checkpoint.objects.filter(generation=last.generation, size__gt=known).order_by("size")
    first = missing.values_list("ts", flat=True).first()
    since = max(first, anchor.created_at) if first else anchor.created_at
    behind = last.size - known
    late = behind > LATE_BY or timezone.now() - since > LATE_AFTER
    return Held(anchor, behind, since, Arrival.LATE if late else Arrival.WAITING)
