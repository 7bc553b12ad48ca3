"""An entry's bytes are final, and say nothing that a person could ask to have erased."""

from __future__ import annotations

import hashlib
import json
from uuid import uuid4

import pytest
from django.db import transaction

from z4j_brain.ledger import entries
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import Outcome, Phase
from z4j_brain.lib import canonical
from z4j_brain.rbac.actor import Actor

pytestmark = pytest.mark.django_db
OLIVE = Actor("user", str(uuid4()), "Olive Oyl", ip="203.0.113.9", request_id="r-1", auth={"method": "session"})


def append(**more):
    told = {"phase": Phase.REQUEST, "action": "task.retry", "actor": OLIVE, "outcome": Outcome.ALLOWED}
    entry = entries.append(**told | more)
    return Entry.objects.select_related("private").get(pk=entry.pk)


def test_the_body_is_canonical_and_its_hash_is_that_of_a_leaf():
    entry = append(project="harbor", environment="production", target=("task", "7"))
    body = bytes(entry.body)

    assert canonical.encode(json.loads(body)) == body
    assert bytes(entry.leaf_hash) == hashlib.sha256(b"\0" + body).digest()


def test_the_columns_are_copies_of_the_body():
    parent = append().pk
    entry = append(project="harbor", environment="production", target=("task", "7"), parent=parent, reason_code="role")
    body = json.loads(bytes(entry.body))

    assert body["id"] == str(entry.pk) and body["parent"] == str(parent) and body["request_id"] == "r-1"
    assert (body["project"], body["env"]) == (entry.project, entry.environment) == ("harbor", "production")
    assert (body["phase"], body["action"], body["outcome"]) == (entry.phase, entry.action, entry.outcome)
    assert body["target"] == {"type": entry.target_type, "id": entry.target_id}
    assert (body["actor_type"], body["actor_id"]) == (entry.actor_type, entry.actor_id)
    assert body["ts"] == round(entry.ts.timestamp() * 1_000_000)


def test_what_may_be_erased_stands_apart_and_the_body_commits_to_it():
    entry = append(private={"reason": "call +31 6 1234"}, params={"ids": [7]})
    private = entry.private
    body = json.loads(bytes(entry.body))

    assert not [word for word in (b"Olive", b"203.0.113.9", b"1234") if word in bytes(entry.body)]
    assert json.loads(bytes(private.payload)) == {
        "display_name": "Olive Oyl",
        "ip": "203.0.113.9",
        "params": {"ids": [7]},
        "reason": "call +31 6 1234",
    }
    assert body["c"] == entries.commitment(entry.pk, bytes(private.salt), bytes(private.payload))
    assert body["c"] != entries.commitment(entry.pk, bytes(32), bytes(private.payload))
    assert body["params_digest"] == hashlib.sha256(b'{"ids":[7]}').hexdigest()


def test_two_entries_about_the_same_share_no_commitment():
    first, second = append(private={"reason": "x"}), append(private={"reason": "x"})

    assert json.loads(bytes(first.body))["c"] != json.loads(bytes(second.body))["c"]


def test_an_entry_falls_with_the_transaction_it_stands_in():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        append()
        raise ZeroDivisionError

    assert not Entry.objects.exists() and not EntryPrivate.objects.exists()


def test_what_has_no_canonical_form_is_not_recorded():
    with pytest.raises(ValueError):
        append(params={"share": 0.5})
