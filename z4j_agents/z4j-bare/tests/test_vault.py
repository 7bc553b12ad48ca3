"""The vault: originals stay on this side, unreadable for everybody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from z4j_bare.vault import MAX_RECORD, Vault
from z4j_core.dsn import DSN

KEY = b"k" * 32


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault.db", KEY)


def test_an_original_comes_back_and_is_not_in_the_file(vault, tmp_path):
    canary = b"4111-1111-canary"
    vault.keep([("t1", canary * 10)])
    assert vault.original("t1") == canary * 10
    assert vault.original("t2") is None
    vault.file.close()
    assert all(canary not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_record_moved_to_another_task_does_not_open(vault):
    vault.keep([("t1", b"mine"), ("t2", b"yours")])
    vault.file.write(
        lambda db: db.execute(
            "UPDATE original SET sealed = (SELECT sealed FROM original WHERE task_id = 't2') WHERE task_id = 't1'"
        )
    )
    assert vault.original("t1") is None
    assert vault.original("t2") == b"yours"


def test_another_key_opens_nothing(vault, tmp_path):
    vault.keep([("t1", b"mine")])
    assert Vault(tmp_path / "vault.db", b"x" * 32).original("t1") is None


def test_its_id_stays_and_the_newest_original_counts(vault, tmp_path):
    vault.keep([("t1", b"old")])
    vault.keep([("t1", b"new")])
    again = Vault(tmp_path / "vault.db", KEY)
    assert again.id == vault.id
    assert again.original("t1") == b"new"


def test_it_stays_within_its_cap_and_forgets_the_oldest(tmp_path):
    vault = Vault(tmp_path / "vault.db", KEY, cap=2 * 1024 * 1024)
    for number in range(400):
        vault.keep([(f"t{number}", os.urandom(20_000))])
    assert (tmp_path / "vault.db").stat().st_size <= 2.5 * 1024 * 1024
    assert vault.original("t0") is None
    assert vault.original("t399") is not None


def test_what_is_older_than_a_week_is_gone(vault):
    vault.keep([("t1", b"mine")])
    vault.file.write(lambda db: db.execute("UPDATE original SET at = 1"))
    assert vault.original("t1") is None
    vault._prune_at = 0
    vault.keep([("t2", b"mine")])
    assert vault.file.read(lambda db: db.execute("SELECT task_id FROM original").fetchall()) == [("t2",)]


def test_after_a_rotation_the_previous_key_still_opens_what_it_kept(make_agent, brain, wait_for):
    old = make_agent()
    name = old.keep("t1", b"original")
    assert name
    assert old.original("t1") == b"original"
    old.stop()
    rotated = brain.dsn.replace("z4ja_k1_" + "s" * 43, "z4ja_k2_" + "n" * 43)
    new = make_agent(DSN=rotated, DSN_PREVIOUS=brain.dsn)
    assert new.original("t1") == b"original"
    assert new.keep("t2", b"new") not in ("", name)
    assert make_agent(DSN=rotated).original("t1") is None


def test_a_record_that_is_too_large_is_not_kept(make_agent):
    agent = make_agent()
    assert agent.keep("t1", b"x" * (MAX_RECORD + 1)) == ""
    assert agent.keep("t2", b"x" * MAX_RECORD) != ""


def test_the_vault_key_never_travels(make_agent, brain, wait_for):
    agent = make_agent()
    agent.role("worker", "w")
    agent.keep("t1", b"original")
    agent.emit({"kind": "task.received", "task_id": "t1"})
    wait_for(lambda: brain.task_ids() == {"t1"})
    key = DSN.parse(brain.dsn).vault_key()
    seen = str(brain.headers).encode() + str([batch for batch, _, _ in brain.batches]).encode()
    assert key.hex().encode() not in seen
    assert b"original" not in seen


def test_files_are_private(make_agent, tmp_path):
    agent = make_agent()
    agent.role("worker", "w")
    agent.keep("t1", b"original")
    agent.state.put("a", b"1")
    agent.flush(2)
    folder = tmp_path / "spool" / "k1"
    assert {path.suffix for path in folder.iterdir()} >= {".db", ".lock", ".db-wal"}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_state_is_a_durable_map_for_adapters(make_agent):
    make_agent().state.put("revoked/t1", b"1")
    state = make_agent().state
    state.put("revoked/t2", b"2")
    state.put("paused%", b"3")
    assert state.get("revoked/t1") == b"1"
    assert state.items("revoked/") == [("revoked/t1", b"1"), ("revoked/t2", b"2")]
    assert state.items("paused_") == []
    state.delete("revoked/t1")
    assert state.get("revoked/t1") is None
