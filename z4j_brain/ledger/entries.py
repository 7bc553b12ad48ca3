"""Appending to the ledger: the only way in, and there is no way out.

An entry is two rows. `Entry.body` is final: canonical bytes that are hashed as they are and never made again.
`EntryPrivate.payload` holds what a person may have erased (address, names, free text, parameters); the body keeps a
salted commitment to it, worthless for guessing once the salt is gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from z4j_brain.ledger import calls
from z4j_brain.ledger.models import Entry, EntryPrivate, Unsealed
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import bulk, canonical
from z4j_brain.lib.ids import uuid7

VERSION = 1
COMMITMENT_DOMAIN = b"z4j/audit/private/v1\0"
#: What every body says.
FIELDS = frozenset(
    ("v", "id", "ts", "project", "env", "phase", "action", "actor_type", "actor_id", "auth", "request_id", "parent")
    + ("target", "params_digest", "outcome", "reason_code", "c")
)
WAITED_FOR = (Phase.REQUEST, Phase.APPROVAL)


class Acting(Protocol):
    """Who acts, as the ledger knows them: an opaque id, and beside it what may be erased."""

    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def ip(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def auth(self) -> Mapping[str, Any]: ...


def append(
    *,
    phase: Phase,
    action: str,
    actor: Acting,
    outcome: Outcome,
    project: str = "",
    environment: str = "",
    target: tuple[str, str] = ("", ""),
    reason_code: str = "",
    params: Mapping[str, Any] | None = None,
    private: Mapping[str, Any] | None = None,
    parent: UUID | None = None,
    request_id: str = "",
    entry_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    urgent: bool | None = None,
) -> Entry:
    """Insert one entry in the caller's transaction, so that it stands or falls with what it tells of.

    `facts`: more of the body, by names of its own; it cannot be erased. `urgent`: sealed at once when the transaction
    has committed, since something waits for it; left out: what was asked for and allowed is.
    """
    entry_id, ts = entry_id or uuid7(), timezone.now()
    salt, payload = os.urandom(32), _payload(actor, params, private)
    body = canonical.encode(
        {
            "v": VERSION,
            "id": str(entry_id),
            "ts": bulk.micros(ts),
            "project": project,
            "env": environment,
            "phase": phase.value,
            "action": action,
            "actor_type": actor.type,
            "actor_id": actor.id,
            "auth": dict(actor.auth),
            "request_id": request_id or actor.request_id,
            "parent": str(parent) if parent else "",
            "target": {"type": target[0], "id": target[1]},
            "params_digest": hashlib.sha256(canonical.encode(dict(params or {}))).hexdigest(),
            "outcome": outcome.value,
            "reason_code": reason_code,
            "c": commitment(entry_id, salt, payload),
        }
        | _more(facts)
    )
    entry = Entry(
        id=entry_id,
        body=body,
        leaf_hash=leaf_hash(body),
        ts=ts,
        project=project,
        environment=environment,
        phase=phase,
        action=action,
        actor_type=actor.type,
        actor_id=actor.id,
        target_type=target[0],
        target_id=target[1],
        outcome=outcome,
    )
    at_once = phase in WAITED_FOR and outcome == Outcome.ALLOWED if urgent is None else urgent
    private_part = EntryPrivate(entry=entry, salt=salt, payload=payload)
    bulk.insert_together(entry, private_part, Unsealed(entry=entry, urgent=at_once))
    calls.on_commit(at_once=at_once)
    return entry


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf of a Merkle tree (RFC 6962)."""
    return hashlib.sha256(b"\0" + body).digest()


def commitment(entry_id: UUID, salt: bytes, payload: bytes) -> str:
    return hashlib.sha256(COMMITMENT_DOMAIN + entry_id.bytes + salt + payload).hexdigest()


def _more(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    if taken := FIELDS & set(facts or {}):
        raise ValueError(f"An entry says {', '.join(sorted(taken))} by itself.")
    return dict(facts or {})


def _payload(actor: Acting, params: Mapping[str, Any] | None, private: Mapping[str, Any] | None) -> bytes:
    told = {"ip": actor.ip, "display_name": actor.name, "params": dict(params or {})} | dict(private or {})
    return canonical.encode({key: value for key, value in told.items() if value})
