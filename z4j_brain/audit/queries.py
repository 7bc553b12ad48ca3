"""The ledger as people read it: who may see which entries, and what an entry says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Q, QuerySet
from django.http import Http404

from z4j_brain.audit import words
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.words import Mark
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, Project, Token
from z4j_brain.rbac.states import InstancePermission, Permission

Row = TypeVar("Row", Anchor, Stream)

#: How many entries a page tells of one target.
SHOWN = 50
#: Entries that a request, its approval, its commands and their results are told by.
RELATIVES = 100


@dataclass(frozen=True, slots=True)
class Touch:
    """One entry with the parts of it that may have been erased since: `private` is then None."""

    id: UUID
    ts: datetime
    project: str
    environment: str
    phase: str
    action: str
    outcome: str
    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    private: Mapping[str, Any] | None = field(repr=False)

    @classmethod
    def from_entry(cls, entry: Entry) -> Touch:
        return cls(
            id=entry.id,
            ts=entry.ts,
            project=entry.project,
            environment=entry.environment,
            phase=entry.phase,
            action=entry.action,
            outcome=entry.outcome,
            actor_type=entry.actor_type,
            actor_id=entry.actor_id,
            target_type=entry.target_type,
            target_id=entry.target_id,
            private=private_part(entry),
        )

    @property
    def actor(self) -> str:
        return str((self.private or {}).get("display_name", ""))

    @property
    def reason(self) -> str:
        return str((self.private or {}).get("reason", ""))

    @property
    def params(self) -> Mapping[str, Any]:
        params = (self.private or {}).get("params")
        return params if isinstance(params, dict) else {}

    @property
    def count(self) -> int | None:
        """How many targets, where the entry told."""
        total = self.params.get("total")
        return total if type(total) is int else None

    @property
    def operation(self) -> str:
        """The operation that this is about, where it is about one."""
        return self.target_id if self.target_type == "operation" else str(self.params.get("operation", ""))

    @property
    def is_erased(self) -> bool:
        return self.private is None

    @property
    def said(self) -> str:
        return words.action(self.action)

    @property
    def mark(self) -> Mark:
        return words.outcome(self.outcome)

    @property
    def phase_words(self) -> str:
        return words.phase(self.phase)

    @property
    def on(self) -> str:
        return words.target(self.target_type)


def entries(actor: Actor, environment: Environment) -> QuerySet[Entry]:
    """Entries of one environment: all for whoever reads the whole trail, else those of the actor's own doing."""
    rows = Entry.objects.filter(project=environment.project.slug, environment=environment.slug)
    return rows if rbac.may(actor, Permission.VIEW_AUDIT, environment) else rows.filter(_own(actor))


def everywhere(actor: Actor) -> QuerySet[Entry]:
    """Entries of every place whose trail the actor reads, their own, and the instance's for who administers it."""
    if actor.type == "system":
        return Entry.objects.all()
    seen = _own(actor)
    if administers(actor):
        seen |= Q(project="")
    whole = list(access.scope(Project.objects.all(), actor, Permission.VIEW_AUDIT).values_list("slug", flat=True))
    if whole:
        seen |= Q(project__in=whole)
    for environment in access.environments(actor, Permission.VIEW_AUDIT).exclude(project__slug__in=whole):
        seen |= Q(project=environment.project.slug, environment=environment.slug)
    return Entry.objects.filter(seen)


def administers(actor: Actor) -> bool:
    return access.decide(actor, InstancePermission.MANAGE_INSTANCE, access.INSTANCE).allow


def watches(actor: Actor) -> bool:
    """May the actor know how the log itself fares: who administers the instance, or reads the trail of a place."""
    return administers(actor) or access.environments(actor, Permission.VIEW_AUDIT).exists()


def outlet(actor: Actor, model: type[Row], pk: int) -> Row:
    """An anchor or a stream, for who administers the instance."""
    rbac.require(actor, InstancePermission.MANAGE_INSTANCE, access.INSTANCE)
    found = model._default_manager.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def told(rows: Iterable[Entry]) -> list[Touch]:
    return [Touch.from_entry(entry) for entry in rows]


def listed(rows: QuerySet[Entry]) -> QuerySet[Entry]:
    """With what a list shows of each, and no more."""
    return rows.select_related("private").defer("body", "leaf_hash", "private__salt")


def detail(rows: QuerySet[Entry], pk: UUID) -> Entry:
    """One of `rows`, which are the actor's."""
    found = rows.select_related("private").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def relatives(rows: QuerySet[Entry], touch: Touch, body: Mapping[str, Any]) -> list[Touch]:
    """Among `rows`, what belongs to the same request, oldest first: request, approval, commands, result."""
    same = Q(pk=touch.id)
    if touch.operation:
        same |= Q(target_type="operation", target_id=touch.operation)
    if parent := _uuid(body.get("parent")):
        same |= Q(pk=parent)
    if touch.target_type and touch.operation:  # the request itself names its one target, not the operation
        same |= Q(target_type=touch.target_type, target_id=touch.target_id)
    found = told(listed(rows.filter(same)).order_by("-id")[:RELATIVES])
    about = {touch.operation, ""} if touch.operation else {""}
    return [one for one in reversed(found) if one.id in (touch.id, parent) or one.operation in about]


def touched(environment: Environment, target_type: str, target_ids: Sequence[str], limit: int = SHOWN) -> list[Touch]:
    """Who touched these targets, newest first. For a page that already shows them: it asks for no actor."""
    return touched_any(environment, [(target_type, target_id) for target_id in target_ids], limit)


def touched_any(environment: Environment, targets: Iterable[tuple[str, str]], limit: int = SHOWN) -> list[Touch]:
    """The same for targets of several types, in one query."""
    by_type: dict[str, list[str]] = {}
    for target_type, target_id in targets:
        by_type.setdefault(target_type, []).append(target_id)
    if not by_type:
        return []
    any_of = Q()
    for target_type, target_ids in by_type.items():
        any_of |= Q(target_type=target_type, target_id__in=target_ids)
    rows = Entry.objects.filter(any_of, project=environment.project.slug, environment=environment.slug)
    return told(listed(rows).order_by("-id")[:limit])


def touched_kinds(environment: Environment, kinds: Sequence[str], limit: int = SHOWN) -> list[Touch]:
    """Who touched anything of these kinds, here or for the whole project, newest first. It asks for no actor."""
    here = Entry.objects.filter(project=environment.project.slug, environment__in=(environment.slug, ""))
    return told(listed(here.filter(target_type__in=kinds)).order_by("-id")[:limit])


def openable(actor: Actor, environment: Environment, touches: Sequence[Touch]) -> set[UUID]:
    """Those of the entries that the actor may open: all here, or their own."""
    if not touches:
        return set()
    ids = [touch.id for touch in touches]
    rows = entries(actor, environment).filter(pk__in=ids).values_list("pk", flat=True)
    above = [touch.id for touch in touches if not touch.environment]
    return {*rows, *(everywhere(actor).filter(pk__in=above).values_list("pk", flat=True) if above else ())}


def private_part(entry: Entry) -> dict[str, Any] | None:
    """What of the entry may be erased; None once it was."""
    try:
        payload = json.loads(bytes(entry.private.payload))
    except ObjectDoesNotExist:
        return None
    return payload if isinstance(payload, dict) else {}


def body_of(entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(entry.body))
    return body


def _own(actor: Actor) -> Q:
    """A token sees what it did itself; a person also what their tokens did."""
    if actor.token is not None:
        return Q(actor_type="token", actor_id=str(actor.token.pk))
    if actor.user is None:
        return Q(actor_type=actor.type, actor_id=actor.id)
    tokens = [str(pk) for pk in Token.objects.filter(user=actor.user).values_list("pk", flat=True)]
    return Q(actor_type="user", actor_id=str(actor.user.pk)) | Q(actor_type="token", actor_id__in=tokens)


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None
