"""What somebody can do to the log who owns the database: SQL past its guards, with the log's key or without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.utils import timezone
from z4j_core import merkle, note

from tests.audit.logs import Log
from z4j_brain.audit import parts
from z4j_brain.audit.verifier import DIVERGED, INVALID, SELF_CONSISTENT
from z4j_brain.ledger.entries import commitment
from z4j_brain.ledger.models import Checkpoint, Entry, EntryPrivate, Leaf
from z4j_brain.lib import canonical, keys


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def rows(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@contextmanager
def unguarded() -> Iterator[None]:
    """The triggers are dropped, and put back as they were."""
    if connection.vendor == "sqlite":
        found = rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger%%'")
        for name, _ in found:
            sql(f"DROP TRIGGER {name}")
        yield
        for _, statement in found:
            sql(statement)
        return
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    found = rows(
        "SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgname LIKE 'ledger%%'"
    )
    for name, table, _ in found:
        sql(f"DROP TRIGGER {name} ON {table}")
    yield
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for name, table, statement in found:
        sql(statement)
        sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def ids(log: Log) -> list[UUID]:
    """The entries of the newest generation in the order of the log."""
    return list(Leaf.objects.filter(generation=newest()).order_by("idx").values_list("entry_id", flat=True))


def newest() -> int:
    return parts.generations()[-1]


def body(entry_id: UUID) -> bytes:
    return bytes(Entry.objects.values_list("body", flat=True).get(pk=entry_id))


def stored(entry_id: UUID) -> object:
    return entry_id.hex if connection.vendor == "sqlite" else entry_id


def edit_body(log: Log) -> None:
    target = ids(log)[1]
    changed = body(target).replace(b"task.retry", b"task.purge")
    sql("UPDATE ledger_entry SET body = %s WHERE id = %s", changed, stored(target))


def edit_body_and_hashes(log: Log) -> None:
    """The leaf and the tile are made to fit, but not the root that was signed."""
    target = ids(log)[1]
    changed = body(target).replace(b"task.retry", b"task.purge")
    sql("UPDATE ledger_entry SET body = %s WHERE id = %s", changed, stored(target))
    sql("UPDATE ledger_leaf SET leaf_hash = %s WHERE entry_id = %s", merkle.leaf_hash(changed), stored(target))
    put_tiles([merkle.leaf_hash(body(entry)) for entry in ids(log)])


def edit_column(log: Log) -> None:
    sql("UPDATE ledger_entry SET actor_id = 'nobody' WHERE id = %s", stored(ids(log)[1]))


def edit_private(log: Log) -> None:
    target = ids(log)[1]
    payload = bytes(EntryPrivate.objects.get(pk=target).payload).replace(b"again", b"never")
    sql("UPDATE ledger_entryprivate SET payload = %s WHERE entry_id = %s", payload, stored(target))


def drop_private(log: Log) -> None:
    sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(ids(log)[1]))


def drop_private_and_say_so(log: Log) -> None:
    """A row says that it was erased, by an entry that does not say so."""
    first, second = ids(log)[:2]
    sql("INSERT INTO ledger_erased (entry_id, by_id) VALUES (%s, %s)", stored(second), stored(first))
    drop_private(log)


def delete_row(log: Log) -> None:
    target = ids(log)[1]
    sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(target))
    sql("DELETE FROM ledger_entry WHERE id = %s", stored(target))


def delete_row_and_leaf(log: Log) -> None:
    target = ids(log)[1]
    delete_row(log)
    sql("DELETE FROM ledger_leaf WHERE entry_id = %s", stored(target))


def delete_and_say_pruned(log: Log) -> None:
    for target in ids(log)[:2]:
        sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(target))
        sql("DELETE FROM ledger_entry WHERE id = %s", stored(target))
    values = (newest(), 2, stored(ids(log)[2]))
    sql("INSERT INTO ledger_pruned (generation, below, by_id) VALUES (%s, %s, %s)", *values)


def insert_row(log: Log) -> UUID:
    """A row that looks like any other, with a personal part that fits it."""
    made, salt = uuid4(), bytes(32)
    source = Entry.objects.get(pk=ids(log)[1])
    payload = bytes(EntryPrivate.objects.get(pk=source.pk).payload)
    told = json.loads(bytes(source.body)) | {"id": str(made), "c": commitment(made, salt, payload)}
    source.pk, source.body = made, canonical.encode(told)
    source.leaf_hash = merkle.leaf_hash(source.body)
    source.save(force_insert=True)
    EntryPrivate.objects.create(entry_id=made, salt=salt, payload=payload)
    return made


def insert_row_and_leaf(log: Log) -> None:
    """Put in behind the first, and all others moved on."""
    order = ids(log)
    made, generation = insert_row(log), newest()
    put_leaves(generation, [order[0], made, *order[1:]])


def reorder(log: Log) -> None:
    first, second, *others = ids(log)
    put_leaves(newest(), [second, first, *others])


def reorder_with_tiles(log: Log) -> None:
    reorder(log)
    put_tiles([merkle.leaf_hash(body(entry)) for entry in ids(log)])


def cut(log: Log) -> None:
    """The last two entries are gone; the checkpoints are not."""
    kept = ids(log)[:-2]
    for target in ids(log)[-2:]:
        sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(target))
        sql("DELETE FROM ledger_entry WHERE id = %s", stored(target))
        sql("DELETE FROM ledger_leaf WHERE entry_id = %s", stored(target))
    put_tiles([merkle.leaf_hash(body(entry)) for entry in kept])


def cut_with_checkpoints(log: Log) -> None:
    """And an old checkpoint is the newest again: one that was really signed."""
    cut(log)
    sql("DELETE FROM ledger_checkpoint WHERE generation = %s AND size > %s", newest(), len(ids(log)))


def rewrite(log: Log) -> None:
    """With the key on the host, the whole log is written anew, without what one entry said."""
    edit_body(log)
    target = ids(log)[1]
    values = ("task.purge", merkle.leaf_hash(body(target)), stored(target))
    sql("UPDATE ledger_entry SET action = %s, leaf_hash = %s WHERE id = %s", *values)
    put_log(ids(log), sign_as_the_brain)


def rewrite_without_the_key(log: Log) -> None:
    edit_body(log)
    other = Ed25519PrivateKey.generate()
    put_log(ids(log), lambda checkpoint: signed(checkpoint, other))


def fork(log: Log) -> None:
    """From an old point on, another and longer log, signed with the key."""
    gone = ids(log)[-2:]
    put_log([*ids(log)[:-2], *(insert_row(log) for _ in range(4))], sign_as_the_brain)
    for target in gone:
        sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(target))
        sql("DELETE FROM ledger_entry WHERE id = %s", stored(target))


@dataclass(frozen=True)
class Tampering:
    """What the verifier says of an export afterwards: with the public key alone, and with a checkpoint held before."""

    number: str
    do: Callable[[Log], object]
    alone: int
    held: int

    def __str__(self) -> str:
        return f"{self.number}-{self.do.__name__}"


#: T1 to T9, and variants of them that hide more. (T7, T10 to T13 need more than the database: see the tests.)
TAMPERINGS = [
    Tampering("T1", edit_body, INVALID, INVALID),
    Tampering("T1", edit_body_and_hashes, INVALID, INVALID),
    Tampering("T1", edit_column, INVALID, INVALID),
    Tampering("T1b", edit_private, INVALID, INVALID),
    Tampering("T1d", drop_private, INVALID, INVALID),
    Tampering("T1d", drop_private_and_say_so, INVALID, INVALID),
    Tampering("T2", delete_row, INVALID, INVALID),
    Tampering("T2", delete_row_and_leaf, INVALID, INVALID),
    Tampering("T2", delete_and_say_pruned, INVALID, INVALID),
    Tampering("T3", insert_row, INVALID, INVALID),
    Tampering("T3", insert_row_and_leaf, INVALID, INVALID),
    Tampering("T4", reorder, INVALID, INVALID),
    Tampering("T4", reorder_with_tiles, INVALID, INVALID),
    Tampering("T5", cut, INVALID, INVALID),
    Tampering("T6", cut_with_checkpoints, SELF_CONSISTENT, DIVERGED),
    Tampering("T8", rewrite, SELF_CONSISTENT, DIVERGED),
    Tampering("T8b", rewrite_without_the_key, INVALID, INVALID),
    Tampering("T9", fork, SELF_CONSISTENT, DIVERGED),
]


# What these put in place.


def put_leaves(generation: int, order: Sequence[UUID]) -> None:
    sql("DELETE FROM ledger_leaf WHERE generation = %s", generation)
    Leaf.objects.bulk_create(
        Leaf(generation=generation, idx=index, entry_id=entry, leaf_hash=merkle.leaf_hash(body(entry)))
        for index, entry in enumerate(order)
    )


def put_tiles(hashes: Sequence[bytes], generation: int = 1) -> None:
    """Of a log with fewer than 256 entries there is one tile."""
    assert len(hashes) < 256
    sql(
        "UPDATE ledger_tile SET hashes = %s WHERE generation = %s AND level = 0 AND n = 0", b"".join(hashes), generation
    )


def put_log(order: Sequence[UUID], sign: Callable[[note.Checkpoint], str]) -> None:
    """A whole log of these entries, each checkpoint where one was, and one at its end."""
    generation, origin = newest(), parts.origin(newest())
    sizes = set(Checkpoint.objects.filter(generation=generation).values_list("size", flat=True))
    sql("DELETE FROM ledger_checkpoint WHERE generation = %s", generation)
    put_leaves(generation, order)
    hashes = [merkle.leaf_hash(body(entry)) for entry in order]
    put_tiles(hashes, generation)
    for size in sorted({size for size in sizes if size <= len(order)} | {len(order)}):
        text = sign(note.Checkpoint(origin, size, merkle.root(hashes[:size])))
        Checkpoint.objects.create(generation=generation, size=size, note=text, ts=timezone.now())


def sign_as_the_brain(checkpoint: note.Checkpoint) -> str:
    ring = keys.ring()
    return note.sign(checkpoint, checkpoint.origin, ring.log_public, ring.sign_log)


def signed(checkpoint: note.Checkpoint, key: Ed25519PrivateKey) -> str:
    return note.sign(checkpoint, checkpoint.origin, key.public_key().public_bytes_raw(), key.sign)
