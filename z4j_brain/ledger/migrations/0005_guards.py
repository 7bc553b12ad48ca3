"""The guards of every table of the log, in the place of those of 0002: see `_guards`.

A later migration that makes SQLite rebuild one of these tables drops its triggers: it has to make them again.
"""

from __future__ import annotations

from django.db import migrations

from z4j_brain.ledger.migrations import _guards

_OLD = ("ledger_entry", "ledger_entryprivate")


def guard(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        _postgresql(schema_editor)
        return
    for table in _OLD:
        for verb in ("update", "delete", "replace"):
            schema_editor.execute(f"DROP TRIGGER {table}_no_{verb}", params=None)
    for statement in _guards.sqlite().values():
        schema_editor.execute(statement, params=None)


def _postgresql(schema_editor):
    for table in _OLD:
        schema_editor.execute(f"DROP TRIGGER {table}_no_change ON {table}", params=None)
        schema_editor.execute(f"DROP TRIGGER {table}_no_truncate ON {table}", params=None)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
    for name, (head, source) in _guards.functions(schema).items():
        schema_editor.execute(f"CREATE OR REPLACE FUNCTION {name}{head} AS $guard${source}$guard$", params=None)
    for name in ("ledger_erase", "ledger_prune"):
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC", params=None)
    for name, (table, what) in _guards.postgresql().items():
        schema_editor.execute(f"CREATE TRIGGER {name} {what}", params=None)
        schema_editor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}", params=None)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_sealed")]

    operations = [migrations.RunPython(guard)]
