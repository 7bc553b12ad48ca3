"""The guards of 0005 made anew, as they are now: see `_guards`."""

from __future__ import annotations

from django.db import migrations

from z4j_brain.ledger.migrations import _guards


def guard(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        for name, statement in _guards.sqlite().items():
            schema_editor.execute(f"DROP TRIGGER {name}", params=None)
            schema_editor.execute(statement, params=None)
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
    for name, (head, source) in _guards.functions(schema).items():
        schema_editor.execute(f"CREATE OR REPLACE FUNCTION {name}{head} AS $guard${source}$guard$", params=None)
    for name in ("ledger_erase", "ledger_prune"):
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC", params=None)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_pending")]

    operations = [migrations.RunPython(guard)]
