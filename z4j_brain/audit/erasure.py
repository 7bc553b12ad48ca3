"""Erasing personal data from the audit trail: by person, or entry by entry. The proofs stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from z4j_brain.audit import actions
from z4j_brain.audit.states import Basis
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac.access import INSTANCE, Instance
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Project, Token, User


def of_person(person: User) -> QuerySet[Entry]:
    """Entries with a personal part that this person did, themselves or by a token, or that are about them."""
    tokens = [str(pk) for pk in Token.objects.filter(user=person).values_list("pk", flat=True)]
    own = Q(actor_type="user", actor_id=str(person.pk)) | Q(actor_type="token", actor_id__in=tokens)
    about = Q(target_type="user", target_id=str(person.pk)) | Q(target_type="token", target_id__in=tokens)
    return Entry.objects.filter(own | about, private__isnull=False)


def erase_person(person: User, basis: Basis, *, actor: Actor, reason: str = "") -> list[UUID]:
    """Ask for all of a person's entries, and close their account; the entries that say so, each for some of them."""
    ids = list(of_person(person).order_by("pk").values_list("pk", flat=True))
    return _erase(INSTANCE, ids, basis, person=person, actor=actor, reason=reason)


def erase_entries(
    place: Instance | Project, ids: Sequence[UUID], basis: Basis, *, actor: Actor, reason: str = ""
) -> list[UUID]:
    """Ask for these entries, of one place."""
    return _erase(place, ids, basis, actor=actor, reason=reason)


def _erase(
    place: Instance | Project,
    ids: Sequence[UUID],
    basis: Basis,
    *,
    person: User | None = None,
    actor: Actor,
    reason: str,
) -> list[UUID]:
    most = actions.MOST_ERASED
    steps = [ids[start : start + most] for start in range(0, max(len(ids), 1), most)]
    return [actions.erase(place, step, basis, person=person, actor=actor, reason=reason) for step in steps]
