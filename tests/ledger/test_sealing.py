"""Entries become leaves, each once, in batches that are signed; what was signed once stays the beginning of the log."""

from __future__ import annotations

import json

import pytest
from django.db import transaction
from z4j_core import merkle, note

from tests.ledger.log import append, assert_whole
from z4j_brain.ledger import health, proofs, sealing
from z4j_brain.ledger.models import Checkpoint, Tile, Unsealed
from z4j_brain.ledger.signer import Signer
from z4j_brain.ledger.states import LogState, Outcome, Phase

pytestmark = pytest.mark.django_db


def test_what_waits_is_sealed_and_proven(signer):
    made = append(3)

    assert proofs.inclusion(made[0].pk) is None and proofs.latest() is None
    assert sealing.seal(signer) == 3 and not Unsealed.objects.exists()
    assert_whole(signer.ring)
    for entry in made:
        proof = proofs.inclusion(entry.pk)
        root = note.read(proof.checkpoint).checkpoint.root
        assert proof.body == bytes(entry.body)
        assert merkle.is_included(merkle.leaf_hash(proof.body), proof.index, proof.size, proof.path, root)


def test_any_batches_give_one_tree(signer):
    for count in (1, 2, 253, 1, 300, 1):
        append(count)
        assert sealing.seal(signer) == count
    assert_whole(signer.ring)
    assert {(tile.level, tile.n, len(tile.hashes) // 32) for tile in Tile.objects.all()} == {
        (0, 0, 256), (0, 1, 256), (0, 2, 46), (1, 0, 2)
    }  # fmt: skip


def test_a_round_is_bounded_and_the_rest_follows(signer, monkeypatch):
    monkeypatch.setattr(sealing, "ROUND", 10)
    append(25)

    assert sealing.seal(signer) == 25
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [10, 20, 25]
    assert_whole(signer.ring)


def test_nothing_to_seal_writes_nothing(signer, django_assert_num_queries):
    append()
    sealing.seal(signer)
    before = signer.folder.file.read_bytes()
    assert sealing.look(signer)

    with django_assert_num_queries(1):
        assert sealing.seal(signer) == 0
    with django_assert_num_queries(1):
        assert sealing.look(signer)
    assert signer.folder.file.read_bytes() == before and Checkpoint.objects.count() == 1


def test_an_entry_of_a_transaction_that_fails_is_not_sealed(signer):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        append()
        raise ZeroDivisionError

    assert sealing.seal(signer) == 0


def test_what_was_asked_for_is_urgent_and_places_are_told(signer):
    told = []
    sealing._callbacks.append(told.append)
    try:
        append(phase=Phase.REQUEST, project="harbor", environment="production")
        append(phase=Phase.REQUEST, outcome=Outcome.REFUSED, project="harbor", environment="staging")
        append(project="island", environment="production")
        sealing.seal(signer)
    finally:
        sealing._callbacks.remove(told.append)

    assert [one.places for one in told] == [{("harbor", "production")}]


def test_a_signer_that_starts_again_goes_on(signer):
    append(3)
    sealing.seal(signer)
    signer.release()
    again = Signer(signer.folder.path.parent)
    assert again.hold()
    append(2)

    assert sealing.seal(again) == 2
    assert_whole(again.ring)
    again.release()


def test_what_is_said_of_health(signer):
    assert health.health().state == LogState.SEALING and health.may_dispatch()
    entry = append(2)[0]
    waiting = health.health()
    assert (waiting.unsealed, waiting.oldest_unsealed) == (2, entry.ts)
    sealing.seal(signer)
    sealed = health.health()
    assert (sealed.state, sealed.generation, sealed.size, sealed.unsealed) == (LogState.SEALING, 1, 2, 0)


def test_the_facts_of_an_entry_stand_in_its_body_and_take_no_ones_place():
    [entry] = append(facts={"entries": ["a"]})

    assert json.loads(bytes(entry.body))["entries"] == ["a"]
    with pytest.raises(ValueError, match="outcome"):
        append(facts={"outcome": "allowed"})
