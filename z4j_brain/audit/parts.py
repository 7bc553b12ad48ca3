"""What the parts of an export are made of, read from the database step by step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from z4j_core import note

from z4j_brain.audit.models import Anchor
from z4j_brain.ledger import origin as naming
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Checkpoint, Entry, Leaf, Pruned, Tile, Unsealed
from z4j_brain.ledger.tiles import HASH, WIDTH
from z4j_brain.lib import keys
from z4j_brain.lib.bulk import micros

STEP = 1000
#: Checkpoints of a generation that an export holds at most; a verifier compares the root at each.
CHECKPOINTS = 256


def generations() -> list[int]:
    return sorted(Checkpoint.objects.order_by().values_list("generation", flat=True).distinct())


def size_of(generation: int) -> int:
    newest = proofs.of_generation(generation)
    return newest.size if newest else 0


def pruned_below(generation: int) -> int:
    """Entries below this index have left the log, or are about to."""
    below = Pruned.objects.filter(generation=generation).order_by("-below").values_list("below", flat=True)
    return below.first() or 0


def origin(generation: int) -> str:
    """The name of this generation's log, as its newest checkpoint has it."""
    newest = proofs.of_generation(generation)
    return note.read(newest.note).checkpoint.origin if newest else ""


def vkey(generation: int) -> str:
    """The public key under the name of this generation's log."""
    return note.vkey(origin(generation) or naming.of_generation(generation), keys.ring().log_public)


def checkpoints(generation: int, size: int) -> list[Checkpoint]:
    """Some up to this size, evenly: the first and the last are always among them."""
    rows = Checkpoint.objects.filter(generation=generation, size__lte=size)
    few = list(rows.order_by("size")[: CHECKPOINTS + 1])
    if len(few) <= CHECKPOINTS:
        return few
    chosen: dict[int, Checkpoint] = {}
    for step in range(CHECKPOINTS):
        row = rows.filter(size__gte=size * step // (CHECKPOINTS - 1)).order_by("size").first()
        if row:
            chosen[row.size] = row
    return list(chosen.values())


def leaves(generation: int, size: int) -> Iterator[bytes]:
    """The hashes of all leaves, as the tree has them; fewer where it has fewer."""
    tiles = Tile.objects.filter(generation=generation, level=0, n__lte=size // WIDTH).order_by("n")
    left = size * HASH
    for hashes in tiles.values_list("hashes", flat=True).iterator(chunk_size=STEP):
        yield bytes(hashes)[:left]
        left -= min(left, len(hashes))


def unsealed(rows: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    """Entries that are no leaves: they wait for their seal, or never will have one."""
    beside = rows.filter(~Exists(Leaf.objects.filter(entry_id=OuterRef("pk"))))
    queued = beside.annotate(queued=Exists(Unsealed.objects.filter(entry_id=OuterRef("pk"))))
    for pk, waits in queued.values_list("pk", "queued").iterator(chunk_size=STEP):
        yield {"id": str(pk), "queued": waits}


def anchors() -> Iterator[dict[str, Any]]:
    """Where checkpoints are kept outside, and since when: a checkpoint from there is one to verify against."""
    for anchor in Anchor.objects.exclude(anchored_at=None):
        at = micros(anchor.anchored_at)
        yield {"name": anchor.name, "generation": anchor.generation, "size": anchor.size, "ts": at}


def differing(entry: Entry) -> list[str]:
    """The columns for searching that do not say what the body says. None of a body that cannot be read."""
    try:
        body = json.loads(bytes(entry.body))
        told = {
            "id": body["id"],
            "ts": body["ts"],
            "project": body["project"],
            "environment": body["env"],
            "target_type": body["target"]["type"],
            "target_id": body["target"]["id"],
        } | {name: body[name] for name in ("phase", "action", "actor_type", "actor_id", "outcome")}
    except (ValueError, KeyError, TypeError):
        return []
    found = {name: getattr(entry, name) for name in told} | {"id": str(entry.pk), "ts": micros(entry.ts)}
    return [name for name, value in told.items() if found[name] != value]


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    return (json.dumps(row).encode() + b"\n" for row in rows)


def b64(raw: bytes | memoryview) -> str:
    return base64.b64encode(raw).decode()
