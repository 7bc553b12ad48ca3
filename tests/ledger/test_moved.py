"""A log that moves to PostgreSQL is the log that was signed: its signer goes on with what it remembers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.settings import TEST_FOLDER
from tests.store import ROOT, PostgresStore, SQLiteStore


def test_a_log_goes_on_where_it_was_moved_to(store, tmp_path):
    if not isinstance(store, SQLiteStore):
        pytest.skip("both stores are in the run on SQLite")
    name, data, server = f"moved-{os.getpid()}", tmp_path / "data", TEST_FOLDER / f"moved-{os.getpid()}"
    server.mkdir()
    target = PostgresStore(server)
    store.clone(name)
    data.mkdir()
    os.link(store.file(name), data / "z4j.sqlite3")
    there = target.empty("moved")

    def run(*arguments, url=""):
        told = {"Z4J_DATA_DIR": str(data), "Z4J_DATABASE_URL": url, "Z4J_DATABASE_URL_TO": there}
        environment = os.environ | told | {"DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    hammer = ("-m", "tests.ledger.hammer")
    try:
        run(*hammer, "append", "300")
        run(*hammer, "check")
        run(*hammer, "append", "2")
        assert "Everything was copied" in run("-m", "z4j_brain.cli", "migrate-store")
        run(*hammer, "append", "3", url=there)
        assert json.loads(run(*hammer, "check", url=there))["entries"] == 305
        assert "in order; generation 1, 305 entries" in run("manage.py", "doctor", url=there)
    finally:
        store.drop(name)
        target.close()
