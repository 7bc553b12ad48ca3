"""The database itself refuses to change or forget what was recorded, sealed or signed, whoever asks."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from tests.ledger.log import append, assert_whole
from z4j_brain.ledger import erasure, guards, proofs, pruning, sealing
from z4j_brain.ledger.models import Entry, EntryPrivate, Leaf, Tile, Unsealed
from z4j_brain.ledger.states import Phase

pytestmark = pytest.mark.django_db
#: Each table, a key of it and a column.
TABLES = [
    ("ledger_entry", "id", "body"),
    ("ledger_entryprivate", "entry_id", "payload"),
    ("ledger_unsealed", "entry_id", "urgent"),
    ("ledger_leaf", "entry_id", "leaf_hash"),
    ("ledger_tile", "generation, level, n", "hashes"),
    ("ledger_checkpoint", "generation, size", "note"),
    ("ledger_erased", "entry_id", "by_id"),
    ("ledger_pruned", "generation, below", "by_id"),
]
each = pytest.mark.parametrize(("table", "key", "column"), TABLES)
only_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'")
only_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")


@pytest.fixture
def log(signer):
    """A row in each table."""
    made = append(4, private={"a": "b"})
    erased = append(phase=Phase.ERASURE, facts={"entries": erasure.naming([made[3].pk])})
    pruned = append(phase=Phase.PRUNE, facts={"generation": 1, "below": 1})
    sealing.seal(signer)
    erasure.erase([made[3].pk], by=erased[0].pk)
    pruning.prune(1, 1, by=pruned[0].pk)
    append()
    return signer


def refused(sql, parameters=()):
    with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@each
def test_no_update_gets_through(log, table, key, column):
    refused(f"UPDATE {table} SET {column} = {column}")


@each
def test_no_delete_gets_through(log, table, key, column):
    refused(f"DELETE FROM {table}")


@each
def test_no_second_row_takes_the_place_of_the_first(log, table, key, column):
    if connection.vendor == "sqlite":
        refused(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    else:
        same = f"{column} = {table}.{column}"
        refused(f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {same}")


@each
@only_sqlite
def test_no_replace_gets_through_a_connection_without_recursive_triggers(log, table, key, column):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers=OFF")
        try:
            refused(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        finally:
            cursor.execute("PRAGMA recursive_triggers=ON")


@each
@only_postgresql
def test_no_truncate_gets_through(log, table, key, column):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit: nothing pending stands in the way
    refused(f"TRUNCATE {table} CASCADE")


@each
@only_postgresql
def test_no_change_gets_through_in_the_role_of_a_replica(log, table, key, column):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    refused(f"DELETE FROM {table}")


def test_what_was_appended_is_still_there(log):
    entry = append()[0]
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.all().delete()

    assert Entry.objects.filter(pk=entry.pk).exists()
    assert EntryPrivate.objects.filter(pk=entry.pk).exists()


def test_a_tile_grows_and_does_nothing_else(log):
    hashes = bytes(Tile.objects.get().hashes)
    for content in (hashes[:-32], hashes + b"x" * 31, b"y" * 32 + hashes[32:] + b"x" * 32, hashes + b"x" * 8192):
        with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic():
            Tile.objects.filter(level=0).update(hashes=content)
    with pytest.raises(DatabaseError), transaction.atomic():
        Tile.objects.filter(level=0).update(hashes=hashes + b"x" * 32, n=1)


def test_what_waits_for_its_seal_is_not_taken_away(signer):
    append(2)
    with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic():
        Unsealed.objects.all().delete()
    assert sealing.seal(signer) == 2


def test_only_what_a_sealed_entry_names_is_erased(signer):
    entry, other = append(2, private={"reason": "call me"})
    [by] = append(phase=Phase.ERASURE, facts={"entries": erasure.naming([entry.pk])})
    with pytest.raises(DatabaseError, match="insert-only"):
        erasure.erase([entry.pk], by=by.pk)  # not sealed yet
    sealing.seal(signer)
    for wrong in ([other.pk], [entry.pk, other.pk]):
        with pytest.raises(DatabaseError, match="insert-only"):
            erasure.erase(wrong, by=by.pk)

    assert erasure.erase([entry.pk], by=by.pk) == 1
    assert not EntryPrivate.objects.filter(pk=entry.pk).exists() and EntryPrivate.objects.filter(pk=other.pk).exists()
    assert erasure.erase([entry.pk], by=by.pk) == 0
    assert_whole(signer.ring)


def test_an_entry_of_another_kind_erases_nothing(signer):
    [entry] = append()
    [by] = append(facts={"entries": erasure.naming([entry.pk])})
    sealing.seal(signer)

    with pytest.raises(DatabaseError, match="insert-only"):
        erasure.erase([entry.pk], by=by.pk)


def test_an_id_somewhere_else_in_an_erasure_erases_nothing(signer):
    entry, other = append(2, private={"reason": "call me"})
    named = {"target": ("log", entry.pk.hex), "facts": {"entries": [other.pk.hex], "kept": [entry.pk.hex]}}
    [by] = append(phase=Phase.ERASURE, **named)
    sealing.seal(signer)

    with pytest.raises(DatabaseError, match="insert-only"):
        erasure.erase([entry.pk], by=by.pk)
    assert erasure.erase([other.pk], by=by.pk) == 1


@pytest.mark.parametrize(("generation", "index"), [(1, 5), (2, 0)])
def test_a_leaf_that_no_checkpoint_covers_is_no_seal(signer, generation, index):
    entry, other = append(2, private={"reason": "call me"})
    sealing.seal(signer)
    [erases] = append(phase=Phase.ERASURE, facts={"entries": erasure.naming([entry.pk])})
    [prunes] = append(phase=Phase.PRUNE, facts={"generation": 1, "below": 1})
    for number, by in enumerate((erases, prunes)):
        Leaf.objects.create(generation=generation, idx=index + number, entry_id=by.pk, leaf_hash=by.leaf_hash)

    with pytest.raises(DatabaseError, match="insert-only"):
        erasure.erase([entry.pk], by=erases.pk)
    with pytest.raises(DatabaseError, match="insert-only"):
        pruning.prune(1, 1, by=prunes.pk)


@only_postgresql
def test_nothing_that_somebody_puts_into_the_schema_runs_in_the_doors(signer):
    entry = append(3)[1]
    [erases] = append(phase=Phase.ERASURE, facts={"entries": erasure.naming([entry.pk])})
    [prunes] = append(phase=Phase.PRUNE, facts={"generation": 1, "below": 1})
    sealing.seal(signer)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION stolen(text, bigint) RETURNS text LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'stolen'; END $$; "
            "CREATE OPERATOR || (LEFTARG = text, RIGHTARG = bigint, FUNCTION = stolen)"
        )
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
        cursor.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = %s::regnamespace AND proname LIKE 'ledger%%'",
            [schema],
        )
        assert {tuple(path or ()) for _, path in cursor.fetchall()} == {("search_path=pg_catalog, pg_temp",)}

    assert (erasure.erase([entry.pk], by=erases.pk), pruning.prune(1, 1, by=prunes.pk)) == (1, 1)


def test_only_what_a_sealed_entry_says_is_pruned_and_proofs_stay(signer):
    append(5)
    [by] = append(phase=Phase.PRUNE, facts={"generation": 1, "below": 3})
    sealing.seal(signer)
    for below in (2, 4, 30):
        with pytest.raises(DatabaseError, match="insert-only"):
            pruning.prune(1, below, by=by.pk)

    assert pruning.prune(1, 3, by=by.pk) == 3
    gone = list(Leaf.objects.order_by("idx").values_list("entry_id", flat=True))
    assert Entry.objects.filter(pk__in=gone).count() == 3
    assert [proofs.inclusion(pk).body is None for pk in gone] == [True] * 3 + [False] * 3


def test_a_guard_that_is_gone_is_missed():
    assert guards.missing() == []
    if connection.vendor == "sqlite":
        statements = [
            "DROP TRIGGER ledger_leaf_no_delete",
            "DROP TRIGGER ledger_tile_no_update",
            "CREATE TRIGGER ledger_tile_no_update BEFORE UPDATE ON ledger_tile BEGIN SELECT 1; END",
        ]
    else:
        statements = [
            "DROP TRIGGER ledger_leaf_no_delete ON ledger_leaf",
            "ALTER TABLE ledger_tile DISABLE TRIGGER ledger_tile_no_update",
            "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        ]
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)

    told = guards.missing()
    assert told[0] == "trigger ledger_leaf_no_delete: gone"
    assert told[1].startswith("trigger ledger_tile_no_update: ")
    assert told[2:] == ([] if connection.vendor == "sqlite" else ["function ledger_refuse: changed"])
