"""The ledger's tables accept INSERT of new rows and nothing else, on both stores.

SQLite: INSERT OR REPLACE deletes without firing DELETE triggers unless recursive_triggers is on, so an INSERT over an
existing key is refused by a trigger of its own. PostgreSQL: TRUNCATE passes row triggers, so a statement trigger refuses
it; ENABLE ALWAYS keeps both when session_replication_role is `replica`. A later migration that makes SQLite rebuild one
of these tables drops its triggers: it has to run `guard` again.
"""

from __future__ import annotations

from django.db import migrations

TABLES = {"ledger_entry": "id", "ledger_entryprivate": "entry_id"}

SQLITE = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only: UPDATE refused'); END;
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only: DELETE refused'); END;
CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only: REPLACE refused'); END;
"""

SQLITE_DROP = """
DROP TRIGGER {table}_no_update;
DROP TRIGGER {table}_no_delete;
DROP TRIGGER {table}_no_replace;
"""

POSTGRESQL_FUNCTION = """
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is insert-only: % refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$;
"""

POSTGRESQL = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate;
"""

POSTGRESQL_DROP = """
DROP TRIGGER {table}_no_change ON {table};
DROP TRIGGER {table}_no_truncate ON {table};
"""


def guard(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    if postgresql:
        schema_editor.execute(POSTGRESQL_FUNCTION, params=None)
    for table, key in TABLES.items():
        _run(schema_editor, (POSTGRESQL if postgresql else SQLITE).format(table=table, key=key))


def unguard(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for table in TABLES:
        _run(schema_editor, (POSTGRESQL_DROP if postgresql else SQLITE_DROP).format(table=table))
    if postgresql:
        schema_editor.execute("DROP FUNCTION ledger_refuse()", params=None)


def _run(schema_editor, script):
    end = "END;" if "BEGIN" in script else ";"
    for statement in script.split(end + "\n"):
        if statement.strip():
            schema_editor.execute(statement + end, params=None)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunPython(guard, unguard)]
