"""The ledger as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Q

from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.rbac.models import Environment

#: How many entries a page tells of one target.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Touch:
    """One entry about a target, with the parts of it that may have been erased since: `actor` and `reason`."""

    id: UUID
    ts: datetime
    phase: Phase
    action: str
    outcome: Outcome
    actor_type: str
    actor_id: str
    actor: str
    reason: str
    target_type: str
    target_id: str

    @classmethod
    def from_entry(cls, entry: Entry) -> Touch:
        private = _private(entry)
        return cls(
            id=entry.id,
            ts=entry.ts,
            phase=Phase(entry.phase),
            action=entry.action,
            outcome=Outcome(entry.outcome),
            actor_type=entry.actor_type,
            actor_id=entry.actor_id,
            actor=str(private.get("display_name", "")),
            reason=str(private.get("reason", "")),
            target_type=entry.target_type,
            target_id=entry.target_id,
        )


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
    newest = rows.select_related("private").defer("body", "leaf_hash", "private__salt").order_by("-id")[:limit]
    return [Touch.from_entry(entry) for entry in newest]


def _private(entry: Entry) -> dict[str, Any]:
    try:
        payload = json.loads(bytes(entry.private.payload))
    except ObjectDoesNotExist:  # erased
        return {}
    return payload if isinstance(payload, dict) else {}
