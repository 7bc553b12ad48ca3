"""What is decided about the log on the brain's own machine, by the commands that decide it."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from tests.audit.logs import log_in
from z4j_brain.audit import removals
from z4j_brain.ledger import health
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import LogState
from z4j_brain.rbac.actor import COMMAND_LINE

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(cast, tmp_path, settings):
    """Three sealed entries. Nobody signs while a command runs on the machine where the signer's file lies."""
    with log_in(tmp_path, cast) as log:
        log.append(3)
        log.seal()
        log.signer.release()
        settings.Z4J_DATA_DIR = tmp_path
        yield log


def z4j(*arguments):
    out = io.StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


def put_back(log):
    """The database is again as it was before the last sealing."""
    before = transaction.savepoint()
    log.restart()
    log.append()
    log.seal()
    log.signer.release()
    transaction.savepoint_rollback(before)


def recorded(action):
    """Who did it, as the log has it, and why."""
    entry = Entry.objects.get(action=action)
    return entry.actor_id, entry.outcome, b'"because"' in bytes(entry.private.payload)


def test_where_the_signers_file_is_gone_the_newest_checkpoint_is_trusted(log):
    log.signer.folder.file.unlink()

    assert "signed on from generation 1, size 3" in z4j("trust-head", "--reason", "because")
    assert recorded("audit.trust_head") == (COMMAND_LINE.id, "allowed", True)
    assert health.health().size == 4


@pytest.mark.parametrize("verb", ["trust-head", "acknowledge-rollback"])
def test_where_nothing_is_wrong_nothing_is_decided(log, tmp_path, verb):
    key = tmp_path / "recovery.txt"
    key.write_text(z4j("recovery-key", "--anew"))
    more = ["--recovery-key", str(key)] if verb == "acknowledge-rollback" else []

    with pytest.raises(CommandError, match="nothing to decide"):
        z4j(verb, "--reason", "because", *more)
    assert health.health().size == 3 and not Entry.objects.filter(action__startswith="audit.").exists()


def test_a_rollback_is_acknowledged_with_the_recovery_key_that_is_in_force(log, tmp_path):
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text(z4j("recovery-key", "--anew"))
    with pytest.raises(CommandError, match="There is one already"):
        z4j("recovery-key")
    new.write_text(z4j("recovery-key", "--anew"))
    assert old.read_text().startswith("z4jr_") and old.read_text() != new.read_text()
    put_back(log)

    for key in (old, log.signer.folder.file):
        with pytest.raises(CommandError, match="recovery key"):
            z4j("acknowledge-rollback", "--reason", "because", "--recovery-key", str(key))
    assert not Entry.objects.filter(action="audit.acknowledge_rollback").exists()
    told = z4j("acknowledge-rollback", "--reason", "because", "--recovery-key", str(new))

    assert "Generation 2 of the log has begun" in told
    assert recorded("audit.acknowledge_rollback") == (COMMAND_LINE.id, "allowed", True)
    assert (health.health().state, health.health().generation) == (LogState.SEALING, 2)


def test_under_a_hold_nothing_is_erased_until_it_is_lifted(log):
    entry = Entry.objects.order_by("pk").first()
    erase = ["erase", "--entries", str(entry.pk), "--basis", "unlawful", "--reason", "because"]

    assert "under legal hold" in z4j("hold", "--reason", "because")
    assert removals.is_held()
    with pytest.raises(CommandError, match="legal hold"):
        z4j(*erase)
    assert EntryPrivate.objects.filter(pk=entry.pk).exists()
    assert "lifted" in z4j("hold", "--lift", "--reason", "because")
    z4j(*erase)

    assert not EntryPrivate.objects.filter(pk=entry.pk).exists() and not removals.is_held()
    assert {recorded("audit.hold"), recorded("audit.lift_hold")} == {(COMMAND_LINE.id, "allowed", True)}
