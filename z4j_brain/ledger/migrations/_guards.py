"""What the database itself refuses to do to the log's tables, on both stores, as of migration 0007.

SQLite: INSERT OR REPLACE deletes without firing DELETE triggers unless recursive_triggers is on, so an INSERT over an
existing key is refused by a trigger of its own. PostgreSQL: TRUNCATE passes row triggers, so a statement trigger refuses
it; ENABLE ALWAYS keeps all when session_replication_role is `replica`. No setting of a session opens anything. Two doors
are left: the erasable part of an entry goes when a sealed entry of the phase `erasure` names it (its id as 32
hexadecimal digits in the list `entries` of the body), and entries below an index go when a sealed entry of the phase
`prune` says so. Sealed is what a checkpoint of its generation covers. The functions see pg_catalog alone, and name
their tables with their schema: nothing that another role puts into a schema runs in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: PostgreSQL: the setting that each function has.
PATH = ("search_path", "pg_catalog, pg_temp")
REFUSED = "the ledger is insert-only: {verb} refused"


@dataclass(frozen=True)
class Table:
    """`key`: when a new row stands over an old one. `delete`: when a row may go, in terms of OLD; None: never."""

    name: str
    key: str
    update: str | None = None
    delete: dict[str, str] | None = None


_GROWS = (
    "NEW.generation = OLD.generation AND NEW.level = OLD.level AND NEW.n = OLD.n AND length(NEW.hashes) % 32 = 0 "
    "AND length(NEW.hashes) BETWEEN length(OLD.hashes) + 32 AND 8192 "
    "AND substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes"
)
_SEALED = "EXISTS (SELECT 1 FROM ledger_leaf l WHERE l.entry_id = OLD.entry_id)"
_BY = """JOIN ledger_entry e ON e.id = {by} JOIN ledger_leaf s ON s.entry_id = {by}
  JOIN ledger_checkpoint c ON c.generation = s.generation AND c.size > s.idx"""
_PRUNED = f"""EXISTS (
  SELECT 1 FROM ledger_leaf l JOIN ledger_pruned p ON p.generation = l.generation AND l.idx < p.below
  {_BY.format(by="p.by_id")}
  WHERE l.entry_id = {{key}} AND e.phase = 'prune' AND {{below}} AND {{generation}})"""  # noqa: S608
_ERASED = f"""EXISTS (
  SELECT 1 FROM ledger_erased d {_BY.format(by="d.by_id")}
  WHERE d.entry_id = {{key}} AND e.phase = 'erasure' AND {{named}})"""  # noqa: S608
_LIST = """instr(e.body, CAST('"entries":[' AS BLOB))"""
_SAYS = {
    "sqlite": {
        "below": """instr(e.body, CAST('"below":' || p.below || ',' AS BLOB)) > 0""",
        "generation": """instr(e.body, CAST('"generation":' || p.generation || ',' AS BLOB)) > 0""",
        "named": f"{_LIST} > 0 AND instr(substr(e.body, {_LIST}, instr(substr(e.body, {_LIST}), CAST(']' AS BLOB))), "
        """CAST('"' || OLD.entry_id || '"' AS BLOB)) > 0""",
    },
    "postgresql": {
        "below": """position(convert_to('"below":' || p.below::text || ',', 'UTF8') in e.body) > 0""",
        "generation": """position(convert_to('"generation":' || p.generation::text || ',', 'UTF8') in e.body) > 0""",
        "named": """position('"' || replace(OLD.entry_id::text, '-', '') || '"' in """
        """split_part(split_part(convert_from(e.body, 'UTF8'), '"entries":[', 2), ']', 1)) > 0""",
    },
}


def _pruned(key: str) -> dict[str, str]:
    return {vendor: _PRUNED.format(key=key, **said) for vendor, said in _SAYS.items()}


def _erased_or_pruned() -> dict[str, str]:
    pruned = _pruned("OLD.entry_id")
    return {v: f"{_ERASED.format(key='OLD.entry_id', **said)} OR {pruned[v]}" for v, said in _SAYS.items()}


TABLES = (
    Table("ledger_entry", "id = NEW.id", delete=_pruned("OLD.id")),
    Table("ledger_entryprivate", "entry_id = NEW.entry_id", delete=_erased_or_pruned()),
    Table("ledger_unsealed", "entry_id = NEW.entry_id", delete=dict.fromkeys(_SAYS, _SEALED)),
    Table("ledger_leaf", "(generation = NEW.generation AND idx = NEW.idx) OR entry_id = NEW.entry_id"),
    Table("ledger_tile", "generation = NEW.generation AND level = NEW.level AND n = NEW.n", update=_GROWS),
    Table("ledger_checkpoint", "generation = NEW.generation AND size = NEW.size"),
    Table("ledger_erased", "entry_id = NEW.entry_id"),
    Table("ledger_pruned", "generation = NEW.generation AND below = NEW.below"),
)


def functions(schema: str) -> dict[str, tuple[str, str]]:
    """PostgreSQL: by name, the head and the source of each function."""
    path = f"LANGUAGE plpgsql SET {PATH[0]} = {PATH[1]}"
    made = {"ledger_refuse": (f"() RETURNS trigger {path}", _raise("%", ", TG_OP"))}
    for table in TABLES:
        if table.update:
            made[f"{table.name}_may_update"] = (f"() RETURNS trigger {path}", _unless(table.update, "UPDATE", "NEW"))
        if table.delete:
            condition = table.delete["postgresql"]
            made[f"{table.name}_may_delete"] = (f"() RETURNS trigger {path}", _unless(condition, "DELETE", "OLD"))
    made["ledger_erase"] = ("(ids uuid[], by uuid) RETURNS bigint SECURITY DEFINER " + path, _ERASE)
    made["ledger_prune"] = ("(chosen integer, first bigint, by uuid) RETURNS bigint SECURITY DEFINER " + path, _PRUNE)
    return {name: (head, re.sub(r"\bledger_", f'"{schema}".ledger_', source)) for name, (head, source) in made.items()}


def _raise(verb: str, more: str = "") -> str:
    message = REFUSED.format(verb=verb)
    return f"\nBEGIN RAISE EXCEPTION '{message}'{more} USING ERRCODE = 'restrict_violation'; END "


def _unless(condition: str, verb: str, row: str) -> str:
    refused = f"RAISE EXCEPTION '{REFUSED.format(verb=verb)}' USING ERRCODE = 'restrict_violation';"
    return f"\nBEGIN IF {condition} THEN RETURN {row}; END IF;\n{refused} END "


_ERASE = """
DECLARE gone bigint;
BEGIN
  INSERT INTO ledger_erased (entry_id, by_id) SELECT id, by FROM unnest(ids) AS id ON CONFLICT DO NOTHING;
  DELETE FROM ledger_entryprivate WHERE entry_id = ANY(ids);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END """

_PRUNE = """
DECLARE gone bigint;
BEGIN
  INSERT INTO ledger_pruned (generation, below, by_id) VALUES (chosen, first, by);
  DELETE FROM ledger_entryprivate p USING ledger_leaf l
  WHERE l.entry_id = p.entry_id AND l.generation = chosen AND l.idx < first;
  DELETE FROM ledger_entry e USING ledger_leaf l
  WHERE l.entry_id = e.id AND l.generation = chosen AND l.idx < first;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END """


def sqlite() -> dict[str, str]:
    """SQLite: the statement of each trigger, by its name."""
    made: dict[str, str] = {}
    for table in TABLES:
        may_delete = table.delete["sqlite"] if table.delete else ""
        taken = f"EXISTS (SELECT 1 FROM {table.name} WHERE {table.key})"  # noqa: S608
        if table.name == "ledger_unsealed":  # what is sealed is not queued again
            taken += " OR EXISTS (SELECT 1 FROM ledger_leaf WHERE entry_id = NEW.entry_id)"
        for verb, event, condition in (
            ("update", "UPDATE", f"NOT ({table.update})" if table.update else ""),
            ("delete", "DELETE", f"NOT ({may_delete})" if may_delete else ""),
            ("replace", "INSERT", taken),
        ):
            name, when = f"{table.name}_no_{verb}", f"\nWHEN {condition}" if condition else ""
            refused = f"BEGIN SELECT RAISE(ABORT, '{REFUSED.format(verb=verb.upper())}'); END"
            made[name] = f"CREATE TRIGGER {name} BEFORE {event} ON {table.name}{when}\n{refused}"
    return made


def postgresql() -> dict[str, tuple[str, str]]:
    """PostgreSQL: by name, the table of each trigger and what it does."""
    made: dict[str, tuple[str, str]] = {}
    for table in TABLES:
        update = f"{table.name}_may_update" if table.update else "ledger_refuse"
        delete = f"{table.name}_may_delete" if table.delete else "ledger_refuse"
        for name, what in (
            (f"{table.name}_no_update", f"BEFORE UPDATE ON {table.name} FOR EACH ROW EXECUTE FUNCTION {update}()"),
            (f"{table.name}_no_delete", f"BEFORE DELETE ON {table.name} FOR EACH ROW EXECUTE FUNCTION {delete}()"),
            (
                f"{table.name}_no_truncate",
                f"BEFORE TRUNCATE ON {table.name} FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
            ),
        ):
            made[name] = (table.name, what)
    return made
