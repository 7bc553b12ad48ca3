"""Two roles on PostgreSQL: one owns the log's tables and migrates, one runs the brain and cannot change them."""

from __future__ import annotations

from psycopg import sql

#: Tables of the log, and what the role that runs the brain may do there besides reading and inserting.
LOG = {
    "ledger_entry": "",
    "ledger_entryprivate": "",
    "ledger_unsealed": "DELETE",
    "ledger_leaf": "",
    "ledger_tile": "UPDATE (hashes)",
    "ledger_checkpoint": "",
    "ledger_erased": "",
    "ledger_pruned": "",
    "django_migrations": "",
}

_HEAD = """\
-- Run as the owner of the database, in the brain's database, after each migration.
-- {app} runs the brain: it owns every table but the log's, of which it may read and insert, and no more.
-- The owner is a member of {app}, so that it can go on migrating. Give {app} a password, and put it into
-- Z4J_DATABASE_URL; run `z4j migrate` with the owner's before a new release starts.
-- {app} may make tables (partitions), so nothing of this is looked for where it could put something else.
SET search_path = pg_catalog, pg_temp;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {app} LOGIN; END IF;
END $$;
GRANT {app} TO CURRENT_USER;
GRANT USAGE, CREATE ON SCHEMA {schema} TO {app};
DO $$ DECLARE found record; BEGIN
  FOR found IN
    SELECT c.oid::regclass AS name FROM pg_class c
    WHERE c.relnamespace = {schema_name}::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ({log})
    AND c.relowner = CURRENT_USER::regrole
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', found.name, {name}); END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {app};
REVOKE ALL ON FUNCTION {schema}.ledger_erase, {schema}.ledger_prune FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.ledger_erase, {schema}.ledger_prune TO {app};
"""
_TABLE = "REVOKE ALL ON {table} FROM {app}, PUBLIC;\nGRANT SELECT, INSERT ON {table} TO {app};\n"


def statements(app: str, schema: str = "public") -> str:
    """What the owner runs to make the role `app`, or to bring it up to date."""
    names = {
        "app": sql.Identifier(app),
        "name": sql.Literal(app),
        "schema": sql.Identifier(schema),
        "schema_name": sql.Literal(schema),
        "log": sql.Literal(list(LOG)),
    }
    told = sql.SQL(_HEAD).format(**names).as_string(None)
    for name, more in LOG.items():
        table = {"table": sql.Identifier(schema, name), "app": sql.Identifier(app)}
        told += sql.SQL(_TABLE).format(**table).as_string(None)
        if more:
            told += sql.SQL("GRANT {more} ON {table} TO {app};\n").format(**table, more=sql.SQL(more)).as_string(None)
    return told + "RESET search_path;\n"
