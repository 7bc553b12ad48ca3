"""A brain that runs in the role of `z4j database-roles` works, and cannot touch what was recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg
import pytest

from tests.store import ROOT

pytestmark = pytest.mark.skipif(os.environ.get("Z4J_TEST_STORE") != "postgres", reason="only PostgreSQL has roles")
REFUSED = [
    "DELETE FROM ledger_entry",
    "DELETE FROM ledger_entryprivate",
    "UPDATE ledger_leaf SET idx = idx + 1",
    "UPDATE ledger_tile SET n = n + 1",
    "DELETE FROM ledger_checkpoint",
    "TRUNCATE ledger_entry CASCADE",
    "DROP TABLE ledger_leaf",
    "DROP TRIGGER ledger_entry_no_delete ON ledger_entry",
    "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "CREATE TRIGGER a BEFORE INSERT ON ledger_entry EXECUTE FUNCTION ledger_refuse()",
]


#: What the role leaves in the schema, for whoever owns the log to run with their rights.
SEALS = (
    "from z4j_brain.ledger import sealing; from z4j_brain.ledger.signer import Signer; "
    "signer = Signer(); assert signer.hold() and sealing.seal(signer) >= 2"
)
TRAP = """
CREATE FUNCTION public.stolen(oid, regnamespace) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'stolen by %', current_user; END $$;
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regnamespace, FUNCTION = public.stolen);
"""
#: What the guide has for a signer that runs apart.
SIGNER = (ROOT / "docs/how-to/scale-out.md").read_text().split("```sql\n")[-1].split("```")[0]


def test_it_works_and_cannot_touch_what_was_recorded(store, tmp_path):
    name, role, signer = f"roles-{os.getpid()}", f"app-{os.getpid()}", f"signer-{os.getpid()}"
    owner = store.clone(name)
    environment = os.environ | {"Z4J_DATABASE_URL": owner, "Z4J_DATA_DIR": str(tmp_path / "data")}
    environment["DJANGO_SETTINGS_MODULE"] = "z4j_brain.settings"

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    try:
        statements = run("manage.py", "database-roles", "--app", role)
        with psycopg.connect(owner, autocommit=True) as connection:
            for _ in range(2):  # as after each migration
                connection.execute(statements)
        environment["Z4J_DATABASE_URL"] = owner.replace("postgres://postgres@", f"postgres://{role}@")
        run("-m", "tests.ledger.hammer", "append", "3")
        assert json.loads(run("-m", "tests.ledger.hammer", "check"))["entries"] == 3
        keep = "import django; django.setup(); from z4j_brain.housekeeping import loops; loops.run_once()"
        run("-c", keep)
        assert "guards are in place" in run("manage.py", "doctor")
        with psycopg.connect(environment["Z4J_DATABASE_URL"], autocommit=True) as connection:
            for statement in REFUSED:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute("SELECT ledger_erase(array_agg(id), gen_random_uuid()) FROM ledger_entry")
            connection.execute(TRAP)
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(statements)
            connection.execute(SIGNER.replace("z4j_app", f'"{role}"').replace("z4j_signer", f'"{signer}"'))
        with psycopg.connect(environment["Z4J_DATABASE_URL"], autocommit=True) as connection:
            for table in ("ledger_leaf", "ledger_tile", "ledger_checkpoint"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"INSERT INTO {table} SELECT * FROM {table}")
        run("-m", "tests.ledger.hammer", "append", "2")
        environment["Z4J_DATABASE_URL"] = owner.replace("postgres://postgres@", f"postgres://{signer}@")
        run("-c", "import django; django.setup(); " + SEALS)
    finally:
        store.drop(name)
