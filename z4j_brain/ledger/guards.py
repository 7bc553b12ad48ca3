"""Are the database's own guards where they should be?"""

from __future__ import annotations

from django.db import connection

from z4j_brain.ledger.migrations import _guards


def missing() -> list[str]:
    """What is not as the migrations left it: a trigger that is gone, switched off or another one."""
    return _postgresql() if connection.vendor == "postgresql" else _sqlite()


def _sqlite() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found = dict(cursor.fetchall())
    return [
        f"trigger {name}: {'changed' if name in found else 'gone'}"
        for name, statement in _guards.sqlite().items()
        if found.get(name) != statement
    ]


def _postgresql() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
        cursor.execute(
            "SELECT t.tgname, t.tgenabled = 'A', pg_get_triggerdef(t.oid) FROM pg_trigger t "
            "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND NOT t.tgisinternal",
            [schema],
        )
        triggers = {name: (enabled, definition) for name, enabled, definition in cursor.fetchall()}
        cursor.execute(
            "SELECT p.proname, p.prosrc, p.proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = %s",
            [schema],
        )
        made = {name: (source, path) for name, source, path in cursor.fetchall()}
    told = []
    for name, (_, what) in _guards.postgresql().items():
        enabled, definition = triggers.get(name, (False, ""))
        if not definition:
            told.append(f"trigger {name}: gone")
        elif not enabled:
            told.append(f"trigger {name}: switched off")
        elif definition.replace(f"{schema}.", "") != f"CREATE TRIGGER {name} {what}":
            told.append(f"trigger {name}: changed")
    for name, (_, source) in _guards.functions(schema).items():
        if made.get(name) != (source, ["=".join(_guards.PATH)]):
            told.append(f"function {name}: {'changed' if name in made else 'gone'}")
    return told
