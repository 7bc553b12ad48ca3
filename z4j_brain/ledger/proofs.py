"""What the log can prove: that an entry stands in it, and that it begins with what it was before."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from z4j_core import merkle

from z4j_brain.ledger.models import Checkpoint, Entry, Leaf
from z4j_brain.ledger.tiles import Tree


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an entry stands at `index` among `size`, as the checkpoint's note says. `body` is None once it is pruned."""

    body: bytes | None
    generation: int
    index: int
    size: int
    path: list[bytes]
    checkpoint: str


def inclusion(entry_id: UUID) -> Inclusion | None:
    """The proof under the newest checkpoint of the entry's generation; None while the entry is not sealed."""
    leaf = Leaf.objects.filter(entry_id=entry_id).values_list("generation", "idx").first()
    if leaf is None:
        return None
    generation, index = leaf
    checkpoint = of_generation(generation)
    if checkpoint is None or checkpoint.size <= index:
        return None
    body = Entry.objects.filter(pk=entry_id).values_list("body", flat=True).first()
    path = merkle.inclusion(index, checkpoint.size, Tree(generation).node)
    known = None if body is None else bytes(body)
    return Inclusion(known, generation, index, checkpoint.size, path, checkpoint.note)


def consistency(generation: int, old: int, new: int) -> list[bytes]:
    """That the log with `new` entries begins with the one with `old`. Raises for sizes that it has not reached."""
    return merkle.consistency(old, new, Tree(generation).node)


def root(generation: int, size: int) -> bytes:
    """What the log's root was when it had so many entries. Raises for a size that it has not reached."""
    return Tree(generation).root(size)


def latest() -> Checkpoint | None:
    """The newest checkpoint of the newest generation."""
    return Checkpoint.objects.order_by("-generation", "-size").first()


def of_generation(generation: int) -> Checkpoint | None:
    """The newest checkpoint of this generation."""
    return Checkpoint.objects.filter(generation=generation).order_by("-size").first()


def first_of_generation(generation: int) -> Checkpoint | None:
    """The checkpoint with which a generation began: of a later one, the recovery key has signed it, too."""
    return Checkpoint.objects.filter(generation=generation).order_by("size").first()
