"""The database itself refuses to change or forget an entry, whoever asks."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from z4j_brain.ledger import entries
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.rbac.actor import SYSTEM

pytestmark = pytest.mark.django_db
TABLES = [("ledger_entry", "id", "body"), ("ledger_entryprivate", "entry_id", "payload")]


@pytest.fixture
def entry():
    return entries.append(phase=Phase.ADMIN, action="test", actor=SYSTEM, outcome=Outcome.ALLOWED, private={"a": "b"})


def refused(sql):
    with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_update_gets_through(entry, table, key, column):
    refused(f"UPDATE {table} SET {column} = {column}")


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_delete_gets_through(entry, table, key, column):
    refused(f"DELETE FROM {table}")


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_second_row_takes_the_place_of_the_first(entry, table, key, column):
    if connection.vendor == "sqlite":
        refused(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    else:
        refused(f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {column} = '\\x00'")


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_replace_gets_through_a_connection_without_recursive_triggers(entry, table, key, column):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has this setting")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers=OFF")
        try:
            refused(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        finally:
            cursor.execute("PRAGMA recursive_triggers=ON")


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_truncate_gets_through(entry, table, key, column):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has TRUNCATE")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit: nothing pending stands in the way
    refused(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize(("table", "key", "column"), TABLES)
def test_no_change_gets_through_in_the_role_of_a_replica(entry, table, key, column):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has replica roles")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    refused(f"DELETE FROM {table}")


def test_what_was_appended_is_still_there(entry):
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.all().delete()

    assert Entry.objects.filter(pk=entry.pk).exists()
    assert EntryPrivate.objects.filter(pk=entry.pk).exists()
