"""The signer signs what continues the last thing it signed, and nothing else, whatever the database says."""

from __future__ import annotations

import json
import shutil

import pytest
from django.db import transaction
from z4j_core import merkle, note

from tests.ledger.log import append, assert_whole, checkpoint
from z4j_brain.ledger import generations, health, proofs, sealing
from z4j_brain.ledger.memory import Head
from z4j_brain.ledger.models import Checkpoint, Entry, Leaf, Unsealed
from z4j_brain.ledger.signer import Refused, Signer, checking
from z4j_brain.ledger.states import LogState
from z4j_brain.rbac.actor import COMMAND_LINE

pytestmark = pytest.mark.django_db
ROOTS = [merkle.root([merkle.leaf_hash(bytes([one])) for one in range(size)]) for size in range(9)]


def restarted(signer):
    signer.release()
    again = Signer(signer.folder.path.parent)
    assert again.hold()
    return again


def lost(count, signer, seals=1):
    """Entries that are sealed, and a database that forgets the sealing."""
    made = append(count)
    saved = transaction.savepoint()
    for _ in range(seals):
        assert sealing.seal(signer)
        append()
    transaction.savepoint_rollback(saved)
    return made


def one_sealing_back(signer):
    """A database that a backup from right before the last sealing was put in the place of."""
    append(2)
    sealing.seal(signer)
    assert sealing.look(signer)
    saved = transaction.savepoint()
    append(3)
    assert sealing.seal(signer) == 3
    transaction.savepoint_rollback(saved)


def state():
    return health.health().state


def test_it_signs_only_what_continues(signer):
    signer.meet(Head(1), "", None)
    assert checkpoint(signer.sign(Head(1, 3, ROOTS[3]), [], []), signer.ring).size == 3
    signer.meet(Head(1, 3, ROOTS[3]), "", None)
    path = merkle.consistency(3, 8, lambda level, index: ROOTS[0])
    for new, proof in [(Head(1, 8, ROOTS[8]), path), (Head(1, 3, ROOTS[4]), []), (Head(2, 8, ROOTS[8]), path)]:
        with pytest.raises(Refused, match="sign"):
            signer.sign(new, proof, [])


def test_a_second_one_does_not_sign(signer):
    second = Signer(signer.folder.path.parent)

    assert not second.hold()
    with pytest.raises(RuntimeError):
        second._remember(signer.memory if signer.last else None)
    signer.release()
    assert second.hold()
    second.release()


def test_what_was_signed_and_not_stored_is_stored_as_it_was_signed(signer):
    made = lost(3, signer)
    signed = signer.memory.signed
    append(2)
    again = restarted(signer)

    assert sealing.seal(again) == 5
    assert proofs.first_of_generation(1).note == signed.note
    assert {leaf.entry_id for leaf in Leaf.objects.filter(idx__lt=3)} == {entry.pk for entry in made}
    assert_whole(again.ring)
    again.release()


def test_a_database_that_has_lost_more_is_not_signed(signer):
    append()
    sealing.seal(signer)
    lost(3, signer, seals=2)
    again = restarted(signer)

    assert sealing.seal(again) == 0 and not sealing.look(again)
    assert state() == LogState.ROLLBACK and not health.may_dispatch() and not health.health().dispatches
    append()
    assert Unsealed.objects.count() == 4 and Checkpoint.objects.count() == 1
    again.release()


def test_a_database_that_has_lost_entries_that_were_signed_is_not_signed(signer):
    saved = transaction.savepoint()
    append(3)
    sealing.seal(signer)
    transaction.savepoint_rollback(saved)
    append()
    again = restarted(signer)

    assert sealing.seal(again) == 0
    assert state() == LogState.ROLLBACK and "gone" in health.health().reason
    again.release()


@pytest.mark.parametrize("lives", [True, False])
def test_a_database_from_before_the_last_sealing_is_told_of_before_anything_is_appended(signer, lives):
    one_sealing_back(signer)
    looker = signer if lives else restarted(signer)

    for _ in range(3):  # a signer that refuses lets go of its lock, and takes it again
        assert not sealing.look(looker)
        assert state() == LogState.ROLLBACK and not health.may_dispatch() and "gone" in health.health().reason
        looker.release()
        assert looker.hold()
    append()
    assert sealing.seal(looker) == 0 and not sealing.look(looker)
    assert state() == LogState.ROLLBACK and Checkpoint.objects.count() == 1
    looker.release()


def test_a_person_decides_of_a_database_from_before_the_last_sealing(signer):
    recovery = signer.ring.make_recovery()
    one_sealing_back(signer)
    last = signer.last

    with pytest.raises(generations.Remembered, match="acknowledge-rollback"):
        generations.trust_head(reason="known", actor=COMMAND_LINE, signer=signer)
    assert not Entry.objects.filter(action="audit.trust_head").exists() and proofs.latest().size == 2

    told = {"reason": "known", "recovery_key": recovery, "actor": COMMAND_LINE, "signer": signer}
    assert generations.acknowledge_rollback(**told) == 2
    entry = Entry.objects.get(action="audit.acknowledge_rollback")
    facts = json.loads(bytes(entry.body))
    assert (facts["last"]["size"], facts["last"]["root"]) == (last.size, last.root.hex())
    assert facts["found"]["size"] == 2 and state() == LogState.SEALING
    assert_whole(signer.ring, 2)


def test_a_note_that_waits_to_be_stored_is_no_rollback_and_leaves_nothing_to_decide(signer):
    lost(3, signer)
    again = restarted(signer)

    assert sealing.look(again) and state() == LogState.SEALING
    with pytest.raises(generations.InOrder):
        generations.trust_head(reason="", actor=COMMAND_LINE, signer=again)
    assert again.hold() and sealing.seal(again) == 3
    assert_whole(again.ring)
    again.release()


def test_entries_that_are_not_what_was_signed_are_a_rollback_at_every_look(signer):
    lost(1, signer)
    told = json.loads(signer.folder.file.read_bytes())
    told["signed"]["entries"] = [append()[0].pk.hex]
    signer.folder.file.write_bytes(json.dumps(told).encode())
    again = restarted(signer)

    assert sealing.seal(again) == 0 and not sealing.look(again)
    assert state() == LogState.ROLLBACK and "not what was signed" in health.health().reason
    again.release()


def test_a_database_with_another_log_is_not_signed(signer, tmp_path):
    saved = transaction.savepoint()
    append(2)
    sealing.seal(signer)
    transaction.savepoint_rollback(saved)
    shutil.copytree(signer.folder.path.parent / "keys", tmp_path / "other" / "keys")
    append(3)
    other = Signer(tmp_path / "other")
    other.hold()
    sealing.seal(other)
    other.release()
    append()
    again = restarted(signer)

    assert sealing.seal(again) == 0
    assert state() == LogState.ROLLBACK
    again.release()


def test_a_log_that_its_memory_has_never_seen_is_trusted_by_a_person_alone(signer):
    append(2)
    sealing.seal(signer)
    signer.folder.file.unlink()
    append()
    again = restarted(signer)
    assert sealing.seal(again) == 0 and state() == LogState.UNTRUSTED
    again.release()

    head = generations.trust_head(reason="moved", actor=COMMAND_LINE, signer=again)

    assert head.size == 2 and state() == LogState.SEALING
    assert_whole(signer.ring)
    last = json.loads(bytes(Entry.objects.get(action="audit.trust_head").body))
    assert last["found"]["size"] == 2 and proofs.latest().size == 4


@pytest.mark.parametrize("garbage", [b"", b"{}", b'{"v": 2}', b'{"v": 1, "origin": "x", "head": {}}'])
def test_a_memory_that_cannot_be_read_is_none(signer, garbage):
    append()
    sealing.seal(signer)
    signer.folder.file.write_bytes(garbage)
    signer.release()

    with pytest.raises(Refused, match="cannot be read"):
        Signer(signer.folder.path.parent).hold()


def test_a_memory_from_a_backup_catches_up_with_a_log_of_the_same_key(signer):
    append(2)
    sealing.seal(signer)
    kept = signer.folder.file.read_bytes()
    for _ in range(3):
        append(2)
        sealing.seal(signer)
    signer.folder.file.write_bytes(kept)
    again = restarted(signer)
    append()

    assert sealing.seal(again) == 1
    assert_whole(again.ring)
    again.release()


def test_a_new_generation_quotes_the_old_one_and_is_signed_by_the_recovery_key(signer):
    recovery = signer.ring.make_recovery()
    old = append(2)
    sealing.seal(signer)
    lost(3, signer, seals=2)
    last = signer.last
    again = restarted(signer)
    assert sealing.seal(again) == 0
    again.release()
    with pytest.raises(ValueError, match="recovery"):
        generations.acknowledge_rollback(reason="", recovery_key="z4jr_" + "0" * 64, actor=COMMAND_LINE, signer=again)

    told = {"reason": "restored", "recovery_key": recovery, "actor": COMMAND_LINE, "signer": again}
    assert generations.acknowledge_rollback(**told) == 2

    first = proofs.first_of_generation(2)
    public = signer.ring.recovery_public
    origin = note.read(first.note).checkpoint.origin.replace("/2", "/recovery")
    assert first.size == 1 and note.is_signed(note.read(first.note), origin, public, checking(public))
    entry = Entry.objects.get(action="audit.acknowledge_rollback")
    quoted = json.loads(bytes(entry.body))["last"]
    assert (quoted["size"], quoted["root"]) == (last.size, last.root.hex())
    assert proofs.inclusion(entry.pk).index == 0 and proofs.inclusion(old[0].pk).generation == 1
    assert state() == LogState.SEALING
    assert_whole(signer.ring, 2)
    assert not Unsealed.objects.exists()
    with pytest.raises(generations.InOrder):
        generations.acknowledge_rollback(**told)


def test_a_log_keeps_its_name_when_the_brain_moves(signer, settings):
    append()
    sealing.seal(signer)
    settings.Z4J_URL = "https://elsewhere.example.com"
    append()
    sealing.seal(restarted(signer))

    assert len({note.read(row.note).checkpoint.origin for row in Checkpoint.objects.all()}) == 1
