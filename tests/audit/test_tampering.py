"""T1 to T13: who owns the database, or even the key, is found out by an export, or by a checkpoint held outside."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import transaction

from tests.audit.logs import log_in
from tests.audit.tampering import TAMPERINGS, fork, ids, sql, stored, unguarded
from z4j_brain.audit import erasure, parts
from z4j_brain.audit.management.commands.audit import Command
from z4j_brain.audit.states import Basis
from z4j_brain.audit.verifier import DIVERGED, SELF_CONSISTENT, VERIFIED, verify
from z4j_brain.ledger import guards, health
from z4j_brain.ledger.models import Checkpoint, Entry, EntryPrivate, Unsealed
from z4j_brain.ledger.states import LogState
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(cast, tmp_path):
    """Ten entries in four rounds, one of them lawfully erased; somebody holds the newest checkpoint."""
    with log_in(tmp_path, cast) as log:
        log.append(3)
        log.seal()
        log.append(3)
        log.seal()
        erasure.erase_entries(INSTANCE, [ids(log)[4]], Basis.UNLAWFUL, actor=COMMAND_LINE)
        log.seal()
        log.seal()
        log.append(2)
        log.seal()
        log.hold()
        yield log


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=str)
def test_the_verdict_is_that_of_the_table(log, tampering):
    with unguarded():
        tampering.do(log)

    assert not guards.missing()
    alone, held = log.verdict(), log.verdict(log.held)
    assert alone.code == tampering.alone, alone.findings
    assert held.code == tampering.held, held.findings


def test_what_nobody_touched_is_verified_and_what_was_lawfully_erased_with_it(log):  # T1c
    report = log.verdict(log.held)

    assert (report.code, report.findings, report.generations[0]["erased"]) == (VERIFIED, [], 1)
    assert log.verdict().code == SELF_CONSISTENT


def test_a_restored_backup_is_found_at_boot_and_by_a_held_checkpoint(log):  # T7
    backup = transaction.savepoint()
    log.append(3)
    log.seal()
    log.hold()
    transaction.savepoint_rollback(backup)

    assert log.verdict().code == SELF_CONSISTENT
    assert log.verdict(log.held).code == DIVERGED
    log.restart()
    log.append()
    size = parts.size_of(1)
    log.seal()
    assert health.health().state == LogState.ROLLBACK and not health.health().dispatches
    assert parts.size_of(1) == size and Unsealed.objects.exists()


def test_a_rollback_that_is_acknowledged_begins_anew_and_both_generations_verify(log):
    backup = transaction.savepoint()
    for _ in range(2):
        log.append(2)
        log.seal()
    transaction.savepoint_rollback(backup)
    log.begin_anew()
    log.append(2)
    log.seal()

    report = verify(log.export(), [parts.vkey(1)], [log.newest], recovery=[key.hex() for key in log.recoveries])
    assert (report.code, report.findings) == (VERIFIED, [])
    assert [here["size"] for here in report.generations] == [parts.size_of(1), 3]
    with unguarded():
        fork_of_the_old(log)
    assert verify(log.export(), [parts.vkey(1)], []).code != SELF_CONSISTENT


def fork_of_the_old(log):
    """Whoever has the key cuts the first generation after all: but the second one quotes its end."""
    size = Checkpoint.objects.filter(generation=1).order_by("-size").values_list("size", flat=True)[0]
    sql("DELETE FROM ledger_checkpoint WHERE generation = 1 AND size = %s", size)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_was_set_is_flagged(log, hours):  # T10
    [entry] = log.append()
    body = json.loads(bytes(entry.body))
    moved = bytes(entry.body).replace(str(body["ts"]).encode(), str(body["ts"] + hours * 3_600_000_000).encode())
    with unguarded():  # as if this had been the brain's time when it was written
        sql("UPDATE ledger_entry SET body = %s WHERE id = %s", moved, stored(entry.pk))
    log.seal()

    assert any("clock" in finding["text"] for finding in log.verdict(log.held).findings)


def test_two_who_are_shown_different_logs_find_out_when_they_compare(log):  # T11
    theirs, their_view = log.held, log.export().getvalue()
    with unguarded():
        fork(log)
    log.hold()

    assert log.verdict(log.held).code == VERIFIED  # each for themselves sees a whole log
    assert log.verdict(theirs).code == DIVERGED
    (log.folder / "theirs.zip").write_bytes(their_view)
    assert verify(str(log.folder / "theirs.zip"), [parts.vkey(1)], [log.held]).code == DIVERGED


def test_what_is_deleted_before_it_is_sealed_is_not_found_and_a_request_is_never_unsealed_for_long(log):  # T12
    [entry] = log.append()
    assert Unsealed.objects.get(pk=entry.pk).urgent
    with unguarded():
        sql("DELETE FROM ledger_unsealed WHERE entry_id = %s", stored(entry.pk))
        sql("DELETE FROM ledger_entryprivate WHERE entry_id = %s", stored(entry.pk))
        sql("DELETE FROM ledger_entry WHERE id = %s", stored(entry.pk))

    assert log.verdict(log.held).code == VERIFIED


def test_what_is_taken_out_of_the_queue_alone_is_found(log):  # T12, by halves
    [entry] = log.append()
    with unguarded():
        sql("DELETE FROM ledger_unsealed WHERE entry_id = %s", stored(entry.pk))

    assert any(str(entry.pk) in finding["text"] for finding in log.verdict(log.held).findings)


def test_dropped_guards_are_reported(log):  # T13
    assert not guards.missing()
    with unguarded():
        assert guards.missing()
    assert not guards.missing()


def test_an_export_and_its_verdict_from_the_command_line(log, capsys):
    file, kept = log.folder / "log.zip", log.folder / "kept.txt"
    kept.write_text(log.held)
    call_command("audit", "export", str(file), "--reason", "yearly audit")
    call_command("audit", "key")
    key = capsys.readouterr().out.splitlines()[-1]
    assert key == parts.vkey(1)
    call_command("audit", "checkpoint")
    assert capsys.readouterr().out == log.newest
    call_command("audit", "verifier", str(log.folder / "alone.py"))

    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["z4j", "audit", "verify", str(file), "--key", key, "--checkpoint", str(kept)])
    assert ended.value.code == VERIFIED


def test_people_and_entries_are_erased_from_the_command_line(log, cast, settings):
    first = ids(log)[0]
    signing_here(log, settings)
    call_command("audit", "erase", "--entries", str(first), "--basis", "unlawful", "--reason", "asked")
    assert not EntryPrivate.objects.filter(pk=first).exists()
    call_command("audit", "erase", "--person", "olive", "--basis", "objection", "--reason", "asked")
    assert not EntryPrivate.objects.filter(entry__actor_id=str(cast.user("olive").pk)).exists()

    when = Entry.objects.get(pk=ids(log)[3]).ts.isoformat()
    archive = log.folder / "archive.zip"
    call_command("audit", "prune", "--before", when, "--archive", str(archive), "--reason", "old")
    assert Entry.objects.filter(ts__lt=when).count() == 0
    assert log.verdict(log.held).code == VERIFIED
    assert verify(str(archive), [parts.vkey(1)], [log.held]).code == VERIFIED


def signing_here(log, settings):
    """Nobody signs the log while the command runs on the machine where the signer's file lies."""
    log.signer.release()
    settings.Z4J_DATA_DIR = log.folder
