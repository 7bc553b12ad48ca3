"""The proof of one entry, and each step of checking it, as somebody with no more than the public key would."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext
from z4j_core import merkle, note

from z4j_brain.ledger import origin as naming
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Erased
from z4j_brain.ledger.proofs import Inclusion
from z4j_brain.ledger.signer import checking
from z4j_brain.lib import keys
from z4j_brain.lib.words import number


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a check, the hash it leads to, and whether it holds; None where there is nothing to compare."""

    words: str
    value: str
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in the log, under its newest checkpoint."""

    inclusion: Inclusion

    @property
    def checkpoint(self) -> note.Checkpoint:
        return note.read(self.inclusion.checkpoint).checkpoint

    @property
    def path(self) -> list[str]:
        return [encoded(one) for one in self.inclusion.path]

    @property
    def told(self) -> dict[str, Any]:
        """All of it, as the API gives it out."""
        known = self.inclusion
        return {
            "index": known.index,
            "size": known.size,
            "path": self.path,
            "checkpoint": known.checkpoint,
            "body": encoded(known.body) if known.body is not None else None,
        }

    @property
    def text(self) -> str:
        """The same as text to be kept."""
        return json.dumps(self.told, indent=2)


def proof(entry_id: UUID) -> Proof | None:
    """None while it is not sealed."""
    found = proofs.inclusion(entry_id)
    return Proof(found) if found else None


def steps(known: Proof) -> Iterator[Step]:
    """Check it, step by step: the leaf, its path, the root, the signature."""
    inclusion, checkpoint = known.inclusion, known.checkpoint
    if inclusion.body is None:
        yield Step(gettext("The entry's bytes were pruned: only its hash is left"), "", None)
        return
    leaf = merkle.leaf_hash(inclusion.body)
    yield Step(gettext("Leaf hash of the entry's bytes"), leaf.hex())
    for side, other, result in _climb(leaf, inclusion.index, inclusion.size, inclusion.path):
        told = gettext("with %(hash)s to its left") if side == "left" else gettext("with %(hash)s to its right")
        yield Step(told % {"hash": other.hex()[:16]}, result.hex())
    included = merkle.is_included(leaf, inclusion.index, inclusion.size, inclusion.path, checkpoint.root)
    root = gettext("Root of the checkpoint with %(n)s entries") % {"n": number(checkpoint.size)}
    yield Step(root, checkpoint.root.hex(), included)
    public = keys.ring().log_public
    signed = note.is_signed(note.read(inclusion.checkpoint), checkpoint.origin, public, checking(public))
    yield Step(gettext("Signature of the log's key"), public_key(checkpoint.origin), signed)


def public_key(origin: str) -> str:
    """The key that signs this log, as one line (C2SP)."""
    return note.vkey(origin, keys.ring().log_public)


def origin() -> str:
    """The name of the log as it is now."""
    last = proofs.latest()
    return note.read(last.note).checkpoint.origin if last else naming.of_generation(1)


def fingerprint() -> str:
    return keys.key_id(keys.ring().log_public)


def erased_by(entry_id: UUID) -> UUID | None:
    """The entry that says why the private part of this one is gone."""
    return Erased.objects.filter(pk=entry_id).values_list("by_id", flat=True).first()


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> Iterator[tuple[str, bytes, bytes]]:
    """Each hash of the path, on which side it stands, and what both give together (RFC 9162, 2.1.3.2)."""
    at, last, current = index, size - 1, leaf
    for other in path:
        if at & 1 or at == last:
            current = merkle.node_hash(other, current)
            yield "left", other, current
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            current = merkle.node_hash(current, other)
            yield "right", other, current
        at, last = at >> 1, last >> 1
