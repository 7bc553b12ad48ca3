"""Sealing: entries that have committed become leaves of the log's tree, and the tree is signed.

A round is one transaction: leaves, tiles, the checkpoint and the queue's rows change together or not at all. Indexes
are given here and not when an entry is appended, so that neither the order of commits nor a gap in a sequence matters.
Two who seal collide on a lock of the database's, and one of them has nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from z4j_core import merkle, note

from z4j_brain.ledger import entries
from z4j_brain.ledger.memory import Head, Signed
from z4j_brain.ledger.models import Checkpoint, Leaf, Standing, Tile, Unsealed
from z4j_brain.ledger.signer import Refused, Signer
from z4j_brain.ledger.states import LogState
from z4j_brain.ledger.tiles import GrowingTree, Tree
from z4j_brain.lib import bulk

logger = logging.getLogger(__name__)

#: Entries that one round seals at most.
ROUND = 5000
#: Any number that no other program uses in the same database: "z4jS" in ASCII.
ADVISORY_LOCK = 0x7A346A53


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that becomes a leaf: its bytes, and where it belongs."""

    entry_id: UUID
    urgent: bool
    body: bytes
    project: str
    environment: str
    phase: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a round has sealed. `places`: project and environment of those entries that somebody waits for. `phases`: of
    all of them.

    `left`: there may be more that waits, and a round has room for it.
    """

    generation: int
    size: int
    count: int
    places: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    phases: frozenset[str] = field(default_factory=frozenset)
    left: bool = False


Callback = Callable[[Sealed], None]
_callbacks: list[Callback] = []


def on_sealed(callback: Callback) -> None:
    """Have this called after each round, in the process that seals, when its transaction has committed."""
    if callback not in _callbacks:
        _callbacks.append(callback)


def seal(signer: Signer) -> int:
    """Seal whatever waits, round by round; how many entries. What the signer refuses is kept in `Standing`."""
    total = 0
    while Unsealed.objects.exists():
        try:
            sealed = _round(signer)
        except Refused as refusal:
            refuse(refusal.state, refusal.reason)
            return total
        if sealed is None:
            return total
        total += sealed.count
        for callback in _callbacks:
            try:
                callback(sealed)
            except Exception:
                logger.exception("on_sealed_failed callback=%s", callback)
        if not sealed.left:
            break
    return total


def look(signer: Signer) -> bool:
    """Compare the database with what was signed, for one small query when all is well; False when it is not."""
    try:
        if not signer.knows(newest()[0]):
            meet(signer)
            in_order()
    except Refused as refusal:
        refuse(refusal.state, refusal.reason)
        return False
    return True


def meet(signer: Signer) -> Signed | None:
    """What is left to be stored of what was signed. Raises `Refused` when the log is not the one that was signed.

    What is left can still be stored: without its entries the database is one from before that sealing.
    """
    head, found = newest()
    tree = Tree(head.generation)
    try:
        unfinished = signer.meet(head, found, lambda old, new: merkle.consistency(old, new, tree.node))
        if unfinished:
            grown, _ = _grown(signer.memory.head, _named(unfinished))
            _compare(unfinished, grown)
        return unfinished
    except LookupError as error:
        raise Refused(LogState.ROLLBACK, str(error)) from error


def newest() -> tuple[Head, str]:
    """What the newest checkpoint in the database says, and its note."""
    row = Checkpoint.objects.order_by("-generation", "-size").values_list("generation", "note").first()
    if row is None:
        return Head(1), ""
    try:
        read = note.read(row[1]).checkpoint
    except note.BadNote as error:
        raise Refused(LogState.ROLLBACK, f"the newest checkpoint is no note: {error}") from error
    return Head(row[0], read.size, read.root), row[1]


def refuse(state: LogState, reason: str) -> None:
    """Tell everybody that nothing is signed."""
    known = Standing.objects.filter(pk=1).values_list("state", "reason").first()
    if known != (state, reason):
        Standing.objects.update_or_create(pk=1, defaults={"state": state, "reason": reason, "since": timezone.now()})
        logger.critical("log_refused state=%s reason=%s", state, reason)


def in_order() -> None:
    """Tell everybody that signing goes on."""
    if (
        Standing.objects.filter(pk=1)
        .exclude(state=LogState.SEALING)
        .update(state=LogState.SEALING, reason="", since=timezone.now())
    ):
        logger.warning("log_in_order")


def _round(signer: Signer) -> Sealed | None:
    """One transaction of sealing; None when there is nothing, or when somebody else is at it."""
    with transaction.atomic(durable=True):
        if not _alone():
            return None
        unfinished = meet(signer)
        try:
            chosen = _named(unfinished) if unfinished else _next()
            if not chosen:
                in_order()
                return None
            sealed = _grow(signer, chosen, unfinished)
        except LookupError as error:
            raise Refused(LogState.ROLLBACK, str(error)) from error
        in_order()
    return sealed


def _grow(signer: Signer, chosen: list[Waiting], unfinished: Signed | None) -> Sealed:
    old = signer.memory.head.size
    tree, hashes = _grown(signer.memory.head, chosen)
    ids = [one.entry_id for one in chosen]
    # What can fail comes before the signature: a note that is signed and cannot be stored stands in everybody's way.
    _store(tree, old, list(zip(ids, hashes, strict=True)))
    if unfinished is None:
        text = signer.sign(_head(tree), merkle.consistency(old, tree.size, tree.node), ids)
    else:
        _compare(unfinished, tree)
        text = unfinished.note
    Checkpoint.objects.create(generation=tree.generation, size=tree.size, note=text, ts=timezone.now())
    places = frozenset((one.project, one.environment) for one in chosen if one.urgent and one.environment)
    left = unfinished is not None or len(chosen) == ROUND
    return Sealed(tree.generation, tree.size, len(chosen), places, frozenset(one.phase for one in chosen), left)


def _grown(head: Head, chosen: list[Waiting]) -> tuple[GrowingTree, list[bytes]]:
    """The tree of `head` with these entries behind it, in memory, and their hashes."""
    tree, hashes = GrowingTree(head.generation, head.size), [entries.leaf_hash(one.body) for one in chosen]
    tree.extend(hashes)
    return tree, hashes


def _head(tree: GrowingTree) -> Head:
    return Head(tree.generation, tree.size, tree.root(tree.size))


def _compare(signed: Signed, tree: GrowingTree) -> None:
    if (found := _head(tree)) != signed.head:
        raise Refused(LogState.ROLLBACK, f"the entries of {signed.head} are not what was signed: they give {found}")


def _store(tree: GrowingTree, first: int, leaves: list[tuple[UUID, bytes]]) -> None:
    rows = [
        (tree.generation, first + number, bulk.stored_uuid(entry_id), hashed)
        for number, (entry_id, hashed) in enumerate(leaves)
    ]
    bulk.append(Leaf, ["generation", "idx", "entry_id", "leaf_hash"], rows)
    for (level, n), stored in tree.changed.items():
        hashes = tree.content((level, n))
        if stored:
            Tile.objects.filter(generation=tree.generation, level=level, n=n).update(hashes=hashes)
        else:
            Tile.objects.create(generation=tree.generation, level=level, n=n, hashes=hashes)
    Unsealed.objects.filter(pk__in=[entry_id for entry_id, _ in leaves]).delete()


def _alone() -> bool:
    """One who seals at a time. SQLite's transactions are exclusive by themselves."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        return bool(cursor.fetchone()[0])


def _next() -> list[Waiting]:
    is_leaf = Leaf.objects.filter(entry_id=OuterRef("entry_id"))  # a row put there twice must not stop the log
    return _waiting(Unsealed.objects.filter(~Exists(is_leaf)).order_by("entry_id")[:ROUND])


def _named(signed: Signed) -> list[Waiting]:
    """The entries of a checkpoint that was signed and did not get into the database."""
    found = {one.entry_id: one for one in _waiting(Unsealed.objects.filter(pk__in=signed.entries))}
    if len(found) < len(signed.entries):
        missing = len(signed.entries) - len(found)
        raise Refused(LogState.ROLLBACK, f"{missing} entries of {signed.head}, which was signed, are gone")
    return [found[entry_id] for entry_id in signed.entries]


def _waiting(rows: QuerySet[Unsealed]) -> list[Waiting]:
    told = ("entry__project", "entry__environment", "entry__phase")
    values = rows.values_list("entry_id", "urgent", "entry__body", *told)
    return [Waiting(pk, urgent, bytes(body), *rest) for pk, urgent, body, *rest in values]
