"""What people ask of the audit trail: anchors, streams, exports, and that something goes from it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.audit import anchors, removals, streams
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.states import AnchorKind, Basis, StreamKind
from z4j_brain.ledger import erasure, proofs
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.states import Phase
from z4j_brain.lib import fields
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.approvals import Wish
from z4j_brain.rbac.models import Environment, Project, User
from z4j_brain.rbac.states import InstancePermission, Permission

#: Entries that one erasure names at most: more of them are more erasures.
MOST_ERASED = 5000


@action(InstancePermission.MANAGE_INSTANCE, "anchor.add", phase=Phase.ADMIN, fresh=True)
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


@action(InstancePermission.MANAGE_INSTANCE, "anchor.remove", phase=Phase.ADMIN, fresh=True)
def remove_anchor(anchor: Anchor, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Bring it no more checkpoints. What it has stays there. Those of the settings are switched off there."""
    if anchor.name in anchors.switches():
        raise ValidationError(
            gettext("The settings make this anchor: Z4J_ANCHOR_FILE=off or Z4J_ANCHOR_SYSLOG=off ends it.")
        )
    record.params(_told(anchor))
    record.target("anchor", anchor.pk)
    Anchor.objects.filter(pk=anchor.pk).delete()


@action(InstancePermission.MANAGE_INSTANCE, "siem.add", phase=Phase.ADMIN, fresh=True)
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
    last = None if whole else proofs.latest()
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


@action(InstancePermission.MANAGE_INSTANCE, "siem.resume", phase=Phase.ADMIN, fresh=True)
def resume_stream(stream: Stream, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Go on, now: also where it waited after failures."""
    record.params(_told(stream))
    record.target("siem", stream.pk)
    Stream.objects.filter(pk=stream.pk).update(paused_at=None, next_at=timezone.now(), failures=0)


@action(InstancePermission.MANAGE_INSTANCE, "siem.remove", phase=Phase.ADMIN, fresh=True)
def remove_stream(stream: Stream, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a stream. What was sent stays there."""
    record.params(_told(stream))
    record.target("siem", stream.pk)
    Stream.objects.filter(pk=stream.pk).delete()


#: What only its turns fill in.
_LATER = ("leased_until", "anchored_at", "sent_at", "paused_at")


@action(Permission.EXPORT_AUDIT, "audit.export")
def export(
    place: Instance | Project | Environment,
    wanted: Mapping[str, object],
    *,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Let entries leave with their proofs: the id of the entry that says who took which. Another says what it was."""
    record.target("log", "")
    record.params({"filter": dict(wanted)})
    return record.entry_id


def _two(place: Instance | Project, entry_ids: Sequence[UUID], basis: Basis, **_: object) -> list[Wish]:
    """What another person has to agree to, where a project's policy says so."""
    ids = sorted(str(pk) for pk in entry_ids)
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    told = {"entries": len(ids), "sha256": digest, "basis": str(basis)}
    return [Wish(place, told)] if isinstance(place, Project) else []


@action(Permission.ERASE_AUDIT, "audit.erase", phase=Phase.ERASURE, fresh=True, eyes=_two)
def erase(
    place: Instance | Project,
    entry_ids: Sequence[UUID],
    basis: Basis,
    *,
    person: User | None = None,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Say that the personal parts of these entries go, and by which law: once that is sealed, they do.

    `person`: their account is closed and forgets who they were, at once. Raises ValidationError.
    """
    _refuse_while_held()
    ids = list(dict.fromkeys(entry_ids))
    if len(ids) > MOST_ERASED:
        raise ValidationError(gettext("An erasure names %(most)s entries at most.") % {"most": MOST_ERASED})
    if not ids and not person:
        raise ValidationError(gettext("Name the entries."))
    found = Entry.objects.filter(pk__in=ids, private__isnull=False)
    if isinstance(place, Project):
        found = found.filter(project=place.slug)
    if found.count() != len(ids):
        raise ValidationError(gettext("Not all of these are entries of this place that still have a personal part."))
    if person and isinstance(place, Project):
        raise ValidationError(
            gettext("A person is more than one project's: on the brain's machine, z4j audit erase does that.")
        )
    record.target("user" if person else "log", person.pk if person else "")
    record.facts({"entries": erasure.naming(ids), "count": len(ids), "basis": Basis(basis).value})
    if person:
        _forget(person)
    return record.entry_id


@action(InstancePermission.MANAGE_INSTANCE, "audit.prune", phase=Phase.PRUNE, fresh=True)
def prune(
    instance: Instance,
    generation: int,
    below: int,
    archive_sha256: str,
    *,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Say that entries below an index go, and into which archive they went: once that is sealed and anchored, they do.

    Raises ValidationError.
    """
    _refuse_while_held()
    record.target("log", generation)
    # In this order: the database's guards look for each of these in the body, followed by a comma.
    record.facts({"generation": generation, "below": below, "archive_sha256": archive_sha256})
    return record.entry_id


@action(InstancePermission.MANAGE_INSTANCE, "audit.hold", phase=Phase.ADMIN)
def hold(instance: Instance, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Until it is lifted nothing is erased and nothing pruned: a court or an authority may ask for it."""
    record.target("log", "")


@action(InstancePermission.MANAGE_INSTANCE, "audit.lift_hold", phase=Phase.ADMIN, fresh=True)
def lift_hold(instance: Instance, *, actor: Actor, reason: str = "", record: Record) -> None:
    record.target("log", "")


def _refuse_while_held() -> None:
    if removals.is_held():
        raise ValidationError(gettext("The log is under legal hold: nothing is erased or pruned until that is lifted."))


def _forget(person: User) -> None:
    """Close an account and keep nothing of it but the opaque id that the log has."""
    AccessAttempt.objects.filter(username=person.username).delete()
    for rows in (EmailAddress, Authenticator, SocialAccount, UserSession):
        rows.objects.filter(user=person).delete()
    person.tokens.update(revoked_at=timezone.now(), name="erased")
    person.username, person.email = f"erased-{person.pk.hex[:16]}", ""
    person.first_name = person.last_name = ""
    person.is_active = person.is_staff = person.is_superuser = False
    person.set_unusable_password()
    person.save()


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
