"""Backup and restore: what a brain had is had again elsewhere, and what is not what it was is not restored."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import execute
from tests.store import ROOT, PostgresStore, Store
from tests.upgrade import installation, readback
from z4j_brain.housekeeping import archive

ADDRESSES = ("harbor/production/tasks/", "harbor/production/operations/", "harbor/production/agents/", "projects/")
FLEETING = ("state", "actions", "replay", "waiting", "flow")


@dataclass
class Kept:
    """An installation with something of everything, stopped after it was backed up while it ran."""

    brain: Brain
    file: Path
    said: str
    before: list[object]
    ledger: dict[str, str]


def z4j(brain: Brain, *arguments: object, **more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "z4j_brain.cli", *map(str, arguments)]
    beside = f"{brain.store.server.bin_path}{os.pathsep}" if isinstance(brain.store, PostgresStore) else ""
    programs = {"PATH": f"{beside}{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}
    environment = brain.environment() | programs | more
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def fill(brain: Brain) -> None:
    """Tasks of an agent, one of them failed and retried."""
    agent, now = installation.Reporter(brain, installation.BOOT), sent.now()
    failed = installation.Told("celery", "failed", now - installation.MINUTE, name="shop.pay", queue="mail", vault="v1")
    agent.say(sent.online() | {"ts": now}, failed("enqueued"), failed("started", run=failed.ts))
    agent.say(failed("failed", run=failed.ts - installation.SECOND, error=installation.ERROR))
    agent.say(installation.Told("celery", "waits", now, name="shop.ship", queue="mail", vault="v1")("enqueued"))
    agent.ask("POST", f"tasks/{agent.task('failed')}/retry/", {"reason": "mail is back"})
    agent.settle(new_task_id="failed-2")


def read(brain: Brain) -> list[object]:
    """What the brain says, but for what depends on the time of day."""
    told = [json.loads(brain.request("GET", f"/api/v1/{address}", who="olive")[2])["results"] for address in ADDRESSES]
    return [{key: value for key, value in one.items() if key not in FLEETING} for results in told for one in results]


@pytest.fixture(scope="module")
def kept(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    brain = Brain(store, folder / "brain")
    brain.start()
    fill(brain)
    file = folder / "z4j.tar.gz"
    code, said = z4j(brain, "backup", file)
    assert code == 0, said
    yield Kept(brain, file, said, read(brain), readback.ledger(brain))
    brain.close()


@pytest.fixture
def place(kept: Kept, store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Brain]:
    """A brain that has nothing yet: an empty folder, and an empty database."""
    name = f"restored-{os.getpid()}-{request.node.name[:30]}"
    store.empty(name)
    brain = object.__new__(Brain)
    brain.store, brain.name, brain.database_url, brain.cast = store, name, store.url(name), kept.brain.cast
    brain.data_dir, brain.port, brain.process = tmp_path / "place", kept.brain.port + 1, None
    brain.url = f"http://127.0.0.1:{brain.port}"
    brain.data_dir.mkdir()
    yield brain
    brain.close()


def changed(file: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    """The archive as somebody else packs it who has changed what is in it, and has the manifest fit."""
    inside, made = folder / "inside", folder / "changed.tar.gz"
    inside.mkdir()
    manifest = archive.read(file, inside)
    change(inside)
    (inside / archive.MANIFEST).unlink(missing_ok=True)
    archive.write(made, manifest.__class__(**_told(manifest) | {"parts": archive.parts(inside)}), inside)
    return made


def _told(manifest: archive.Manifest) -> dict[str, object]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}


def test_a_brain_that_ran_while_it_was_backed_up_is_restored_elsewhere_and_says_the_same(kept, place):
    code, said = z4j(place, "restore", kept.file)

    head = re.search("Audit log: (.+)", kept.said)
    assert head and (code, f"The audit log verifies: {head[1]}" in said) == (0, True), said
    assert "so a person decides" in said, "no signer remembers anything here"
    assert z4j(place, "audit", "trust-head", "--reason", "nothing was signed since")[0] == 0
    place.start()
    assert read(place) == kept.before and len(kept.before) > 4
    assert kept.ledger.items() <= readback.ledger(place).items()
    assert place.dsn() == kept.brain.dsn().replace(str(kept.brain.port), str(place.port)), "agents know its keys"


def test_an_archive_that_was_damaged_or_added_to_is_not_restored(kept, place, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    archive.read(kept.file, inside)
    (inside / "keys" / "root").write_bytes(os.urandom(32))
    with tarfile.open(tmp_path / "forged.tar.gz", "w:gz") as tar:
        with tarfile.open(kept.file) as whole:
            member = whole.next()
            tar.addfile(member, whole.extractfile(member))
        for name in ("keys/root", "../outside"):
            tar.add(inside / "keys" / "root", name)
    (tmp_path / "short.tar.gz").write_bytes(kept.file.read_bytes()[:-2000])

    for file, word in (("forged", "keys/root is not what the manifest says"), ("short", "cannot be read as a backup")):
        code, said = z4j(place, "restore", tmp_path / f"{file}.tar.gz")
        assert (code, word in said) == (1, True), said
    assert not (place.data_dir / "keys").exists() and not (tmp_path / "outside").exists()


def test_a_backup_whose_log_is_not_the_one_that_was_signed_is_not_restored(kept, place, tmp_path):
    def edited(inside: Path) -> None:
        """An entry is another one, where its store is a file that can be written; elsewhere, the log's key is."""
        if kept.brain.database_url:
            (inside / "keys" / "log.pub").write_bytes(os.urandom(32))
            return
        with closing(sqlite3.connect(inside / "z4j.sqlite3")) as store, store:
            guards = store.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in guards:
                store.execute(f"DROP TRIGGER {name}")
            store.execute(
                "UPDATE ledger_entryprivate SET payload = salt WHERE entry_id IN (SELECT id FROM ledger_entry)"
            )
            for _, guard in guards:
                store.execute(guard)

    file = changed(kept.file, tmp_path, edited)
    code, said = z4j(place, "restore", file)

    assert (code, "The audit log does not verify" in said, "as it was" in said) == (1, True, True), said
    assert sorted(path.name for path in place.data_dir.iterdir()) == ["migrate.lock", "secrets", "signer"]
    if place.database_url:
        assert execute(place, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_another_store_or_a_missing_program_is_said_and_nothing_is_written(kept, place, tmp_path):
    with tarfile.open(kept.file) as tar:
        told = json.load(tar.extractfile(archive.MANIFEST))
    assert told["store"] == ("postgresql" if kept.brain.database_url else "sqlite")
    if kept.brain.database_url:
        code, said = z4j(kept.brain, "backup", tmp_path / "none.tar.gz", PATH=str(tmp_path))
        assert (code, "pg_dump is not on this machine" in said) == (1, True), said
        code, said = z4j(place, "restore", kept.file, Z4J_DATABASE_URL="")
        assert (code, "The backup is of postgresql" in said) == (1, True), said
    shutil.copy(kept.file, tmp_path / "there.tar.gz")
    code, said = z4j(kept.brain, "backup", tmp_path / "there.tar.gz")
    assert (code, "is there already" in said, (tmp_path / "none.tar.gz").exists()) == (1, True, False), said


def test_an_installation_is_replaced_only_when_told_and_a_log_that_went_back_begins_anew(kept, tmp_path):
    brain = kept.brain
    [recovery] = re.findall("(z4jr_[0-9a-f]+)", brain.log)
    (tmp_path / "recovery").write_text(recovery)
    assert "stop it first" in z4j(brain, "restore", kept.file, "--replace")[1]
    agent = installation.Reporter(brain, installation.BOOT)
    agent.ask("POST", f"tasks/{agent.task('waits')}/cancel/", {"reason": "after the backup"})
    assert brain.stop() == 0
    assert "There is an installation here" in z4j(brain, "restore", kept.file)[1]

    code, said = z4j(brain, "restore", kept.file, "--replace")
    assert (code, "acknowledge-rollback" in said, "is kept as before_restore_" in said) == (0, True, True), said
    assert "after the backup" not in str(execute(brain, "SELECT reason FROM operations_operation"))
    code, said = z4j(
        brain, "audit", "acknowledge-rollback", "--reason", "lost", "--recovery-key", tmp_path / "recovery"
    )
    assert (code, "Generation 2" in said) == (0, True), said
