"""From SQLite to PostgreSQL: a brain on the copy says what it said before, and goes on from there."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import execute
from tests.settings import TEST_FOLDER
from tests.store import ROOT, PostgresStore, SQLiteStore, Store
from tests.upgrade import installation, readback

INDEXED = "SELECT count(*) FROM tasks_words"


@dataclass
class Move:
    """A filled installation on SQLite, stopped, and a server on which there are databases to move to."""

    brain: Brain
    target: PostgresStore
    before: dict[str, object]
    ledger: dict[str, str]

    def run(self, url: str, *arguments: str) -> tuple[int, str]:
        """What the command says, with the address in the environment."""
        command = [sys.executable, "-m", "z4j_brain.cli", "migrate-store", *arguments]
        environment = self.brain.environment() | {"Z4J_DATABASE_URL_TO": url, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr


def rows(url: str) -> int:
    """How many tasks and people a database has; -1 before it was ever migrated."""
    with psycopg.connect(url) as connection:
        [there] = connection.execute("SELECT to_regclass('tasks_task') IS NOT NULL").fetchone() or [False]
        if not there:
            return -1
        counted = connection.execute("SELECT (SELECT count(*) FROM tasks_task) + (SELECT count(*) FROM rbac_user)")
        return int((counted.fetchone() or [0])[0])


@pytest.fixture(scope="module")
def move(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    if not isinstance(store, SQLiteStore):
        pytest.skip("both stores are in the run on SQLite")
    folder = tmp_path_factory.mktemp("move")
    server = TEST_FOLDER / f"move-{os.getpid()}"
    server.mkdir()
    target = PostgresStore(server)
    brain = Brain(store, folder / "brain")
    brain.start()
    installation.fill(brain)
    before, ledger = readback.read(brain), readback.ledger(brain)
    assert brain.stop() == 0
    yield Move(brain, target, before, ledger)
    brain.close()
    target.close()


@pytest.fixture
def database(move: Move, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"to-{os.getpid()}-{request.node.name[:40]}"
    yield move.target.empty(name)
    move.target.drop(name)


def test_the_copy_says_the_same_takes_no_second_copy_and_goes_on(move, database, tmp_path):
    code, said = move.run(database)
    assert (code, "Everything was copied" in said) == (0, True), said

    held = rows(database)
    code, said = move.run(database)
    assert (code, "The target is not empty" in said, rows(database) == held > 100) == (1, True, True), said

    copy = Brain(move.target, tmp_path / "copy", adopted=Path(database).name, cast=move.brain.cast)
    copy.data_dir = move.brain.data_dir  # the keys are there
    copy.start()
    try:
        assert readback.read(copy) == move.before
        assert readback.ledger(copy) == move.ledger
        assert execute(copy, INDEXED) == execute(move.brain, INDEXED) != [(0,)]
        check_that_life_goes_on(copy, move.before)
    finally:
        copy.close()


def check_that_life_goes_on(brain: Brain, before: dict[str, object]) -> None:
    agent = installation.Reporter(brain, installation.BOOT)
    agent.seq = 500
    now = sent.now()
    agent.say(installation.Told("celery", "after-the-move", now)("enqueued"))
    agent.say(installation.Told("celery", "celery-started", now)("succeeded", run=now))
    ids = [task["id"] for place in readback.PLACES for task in before[f"{place}/tasks/"]]
    assert agent.task("after-the-move") > max(ids)
    assert agent.ask("GET", f"tasks/{agent.task('celery-started')}/", status=200)["state"] == "succeeded"
    [command] = agent.settle(new_task_id="again")
    assert command["verb"] == "retry"
    events = execute(brain, "SELECT id FROM tasks_event")
    assert len(events) == len(set(events)) == before["tasks_event"] + 2
    assert execute(brain, "SELECT count(*) FROM tasks_event_default") == [(0,)]
    for table in ("ledger_entry", "ledger_entryprivate"):
        with pytest.raises(psycopg.Error, match="insert-only"):
            execute(brain, f"DELETE FROM {table}")  # noqa: S608


def test_a_dry_run_says_what_there_is_and_changes_nothing(move, database):
    code, said = move.run(database, "--dry-run")

    assert (code, f"tasks_event: {move.before['tasks_event']} rows" in said) == (0, True), said
    assert rows(database) == -1


def test_a_brain_that_runs_is_not_copied_from_under_its_feet(move, database):
    move.brain.start()
    code, said = move.run(database)
    assert move.brain.stop() == 0

    assert (code, "stop the brain first" in said) == (1, True), said
    assert rows(database) == -1


def test_a_row_that_cannot_be_copied_leaves_the_target_empty_and_the_next_try_works(move, database):
    with sqlite3.connect(move.brain.data_dir / "z4j.sqlite3") as connection:  # which minds no length
        connection.execute("UPDATE tasks_task SET worker = ? WHERE task_id = 'late'", ["w" * 300])
    connection.close()
    code, said = move.run(database)
    assert (code, "tasks_task" in said, "Nothing was copied" in said) == (1, True, True), said
    assert rows(database) == 0

    with sqlite3.connect(move.brain.data_dir / "z4j.sqlite3") as connection:
        connection.execute("UPDATE tasks_task SET worker = '' WHERE task_id = 'late'")
    connection.close()
    code, said = move.run(database)
    assert code == 0, said


def test_nothing_is_copied_to_where_nobody_answers(move):
    code, said = move.run("postgres://somebody:secret@127.0.0.1:9/nothing")

    assert (code, "cannot be reached" in said, "secret" in said) == (1, True, False), said
