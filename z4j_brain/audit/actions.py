"""What people ask of the audit trail: where it is anchored, and where its entries are sent."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils import timezone

from z4j_brain.audit import anchors, streams
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.states import AnchorKind, StreamKind
from z4j_brain.ledger.states import Phase
from z4j_brain.lib import fields
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import InstancePermission


@action(InstancePermission.MANAGE_INSTANCE, "anchor.add", phase=Phase.ADMIN)
def add_anchor(
    instance: Instance, name: str, kind: AnchorKind, address: str, *, actor: Actor, reason: str = "", record: Record
) -> tuple[Anchor, str]:
    """One more place that remembers checkpoints, and the secret by which it knows who sends; nobody can show it again.

    Raises ValidationError by field.
    """
    anchors.check(kind, address)
    secret = _secret(kind == AnchorKind.WEBHOOK)
    anchor = Anchor(name=name, kind=kind, address=address, secret=fields.encrypt(secret) if secret else "")
    _save(anchor, record)
    return anchor, secret


@action(InstancePermission.MANAGE_INSTANCE, "anchor.remove", phase=Phase.ADMIN)
def remove_anchor(anchor: Anchor, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Bring it no more checkpoints. What it has stays there. Those of the settings are switched off there."""
    if anchor.name in anchors.switches():
        raise ValidationError("The settings make this anchor: Z4J_ANCHOR_FILE=off or Z4J_ANCHOR_SYSLOG=off ends it.")
    record.params(_told(anchor))
    record.target("anchor", anchor.pk)
    Anchor.objects.filter(pk=anchor.pk).delete()


@action(InstancePermission.MANAGE_INSTANCE, "siem.add", phase=Phase.ADMIN)
def add_stream(
    instance: Instance,
    name: str,
    kind: StreamKind,
    address: str,
    *,
    personal: bool = False,
    whole: bool = False,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> tuple[Stream, str]:
    """Send sealed entries there, from now on or `whole`: from the first one. Returns its secret, which nobody can show
    again. Raises ValidationError by field.
    """
    streams.check(kind, address)
    secret = _secret(kind == StreamKind.WEBHOOK)
    last = None if whole else anchors.newest()
    stream = Stream(
        name=name,
        kind=kind,
        address=address,
        secret=fields.encrypt(secret) if secret else "",
        personal=personal,
        generation=last.generation if last else 0,
        idx=last.size if last else 0,
    )
    record.params({"personal": personal, "whole": whole})
    _save(stream, record)
    return stream, secret


@action(InstancePermission.MANAGE_INSTANCE, "siem.pause", phase=Phase.ADMIN)
def pause_stream(stream: Stream, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Send nothing more until it is resumed. It goes on where it stopped."""
    record.params(_told(stream))
    record.target("siem", stream.pk)
    Stream.objects.filter(pk=stream.pk, paused_at=None).update(paused_at=timezone.now())


@action(InstancePermission.MANAGE_INSTANCE, "siem.resume", phase=Phase.ADMIN)
def resume_stream(stream: Stream, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Go on, now: also where it waited after failures."""
    record.params(_told(stream))
    record.target("siem", stream.pk)
    Stream.objects.filter(pk=stream.pk).update(paused_at=None, next_at=timezone.now(), failures=0)


@action(InstancePermission.MANAGE_INSTANCE, "siem.remove", phase=Phase.ADMIN)
def remove_stream(stream: Stream, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a stream. What was sent stays there."""
    record.params(_told(stream))
    record.target("siem", stream.pk)
    Stream.objects.filter(pk=stream.pk).delete()


#: What only its turns fill in.
_LATER = ("leased_until", "anchored_at", "sent_at", "paused_at")


def _save(outlet: Anchor | Stream, record: Record) -> None:
    outlet.full_clean(exclude=_LATER)
    outlet.save()
    record.target("anchor" if isinstance(outlet, Anchor) else "siem", outlet.pk)
    record.params(_told(outlet))


def _told(outlet: Anchor | Stream) -> dict[str, str]:
    """The host alone: the rest of an address may be a secret."""
    parts = urlsplit(outlet.address)
    return {"name": outlet.name, "kind": outlet.kind, "to": parts.hostname or parts.path}


def _secret(wanted: bool) -> str:
    return secrets.token_urlsafe(32) if wanted else ""
