"""What tests of the log share: entries to append, and a look at the whole of what was sealed."""

from __future__ import annotations

from itertools import pairwise

from z4j_core import merkle, note

from z4j_brain.ledger import entries, proofs
from z4j_brain.ledger.models import Checkpoint, Entry, Leaf
from z4j_brain.ledger.signer import checking
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib.keys import KeyRing
from z4j_brain.rbac.actor import SYSTEM


def append(count: int = 1, **more: object) -> list[Entry]:
    told = {"phase": Phase.EVENT, "action": "test", "actor": SYSTEM, "outcome": Outcome.ALLOWED} | more
    return [entries.append(**told) for _ in range(count)]  # type: ignore[arg-type]


def checkpoint(text: str, ring: KeyRing) -> note.Checkpoint:
    """What a note says, once its signature has been checked."""
    return note.verified(text, note.read(text).checkpoint.origin, ring.log_public, checking(ring.log_public))


def assert_whole(ring: KeyRing, generation: int = 1) -> None:
    """The tree is that of the entries, without a gap, and each checkpoint continues each older one."""
    leaves = list(Leaf.objects.filter(generation=generation).order_by("idx"))
    assert [leaf.idx for leaf in leaves] == list(range(len(leaves)))
    bodies = dict(Entry.objects.values_list("pk", "body"))
    hashes = [merkle.leaf_hash(bytes(bodies[leaf.entry_id])) for leaf in leaves]
    assert [bytes(leaf.leaf_hash) for leaf in leaves] == hashes
    rows = Checkpoint.objects.filter(generation=generation).order_by("size")
    points = [checkpoint(row.note, ring) for row in rows]
    assert points[-1].size == len(leaves)
    assert [point.root for point in points] == [merkle.root(hashes[: point.size]) for point in points]
    for old, new in pairwise(points):
        path = proofs.consistency(generation, old.size, new.size)
        assert merkle.is_consistent(old.size, old.root, new.size, new.root, path)
