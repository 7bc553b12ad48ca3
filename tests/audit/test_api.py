"""The audit trail over the API: who, what, why and how it ended; filters that are strict; pages that go on."""

from __future__ import annotations

import base64
import json

import pytest
from z4j_core import merkle, note

from tests import rows
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.signer import checking
from z4j_brain.ledger.states import Outcome
from z4j_brain.lib.ids import uuid7
from z4j_brain.tasks import actions as tasks

HERE = "/api/v1/harbor/production/audit/"


@pytest.fixture
def get(client, cast):
    def get(path, who="olive", **query):
        return client.get(path, query, **cast.bearer(who))

    return get


def test_an_entry_tells_who_asked_for_what_why_and_how_it_ended(cast, get):
    task = rows.task(cast.production)
    rows.agent(cast.production)
    tasks.retry(cast.production, [task.pk], actor=cast.actor("oscar"), reason="relay is back")

    (entry,) = get(HERE).json()["results"]

    assert (entry["action"], entry["reason"], entry["outcome"]) == ("task.retry", "relay is back", "allowed")
    assert entry["actor"] == {"type": "user", "id": str(cast.user("oscar").pk), "name": "oscar"}
    assert entry["target"] == {"type": "task", "id": str(task.pk)}
    assert (entry["count"], entry["erased"]) == (1, False)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["b", "a"]),
        ({"action": "queue.purge"}, ["b"]),
        ({"action__in": "queue.purge,task.retry"}, ["b", "a"]),
        ({"outcome": "refused"}, ["b"]),
        ({"outcome__in": "allowed,failed"}, ["a"]),
        ({"target_type": "queue", "target_id": "7"}, ["b"]),
        ({"actor_type": "user"}, []),
        ({"ts__gte": "2001-01-01T00:00:00Z"}, ["b", "a"]),
        ({"ts__lt": "2001-01-01T00:00:00Z"}, []),
        ({"reason": "RELAY"}, ["a"]),
        ({"reason": "relay", "outcome": "refused"}, []),
    ],
)
def test_filters_narrow_the_list(cast, get, query, names):
    rows.entry(cast.production, "a", private={"reason": "the relay is back"})
    rows.entry(cast.production, "b", action="queue.purge", outcome=Outcome.REFUSED, target=("queue", "7"))

    assert [entry["actor"]["name"] for entry in get(HERE, **query).json()["results"]] == names


@pytest.mark.parametrize("query", [{"whom": "oscar"}, {"outcome": "fine"}, {"ts__gte": "noon"}, {"action__like": "x"}])
def test_what_is_no_filter_is_refused(get, query):
    answer = get(HERE, **query)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, next(iter(query)))


def test_pages_go_on_where_the_last_one_ended(cast, get):
    made = [str(rows.entry(cast.production).pk) for _ in range(5)]

    first = get(HERE, page_size=3).json()
    second = get(first["next"]).json()

    assert [entry["id"] for entry in first["results"] + second["results"]] == sorted(made, reverse=True)
    assert second["next"] is None


def test_a_token_sees_what_it_did_and_a_reader_of_the_trail_everything(cast, get):
    rows.entry(cast.production, "z4j")

    assert len(get(HERE, "audrey").json()["results"]) == 1
    assert get(HERE, "vera").json()["results"] == []
    assert get("/api/v1/audit/", "stan").json()["results"] == []


def test_an_entry_carries_the_proof_that_it_is_in_the_log(get, seal):
    seal(6)
    (entry,) = seal()
    told = get(f"{HERE}{entry.pk}/").json()
    proof = told["proof"]

    key = get("/api/v1/audit/key/", "vera").content.decode()
    name, public = note.read_vkey(key)
    held = note.verified(get("/api/v1/audit/checkpoint/", "vera").content.decode(), name, public, checking(public))
    body, path = base64.b64decode(proof["body"]), [base64.b64decode(one) for one in proof["path"]]
    leaf = merkle.leaf_hash(body)
    assert merkle.is_included(leaf, proof["index"], proof["size"], path, held.root)
    assert json.loads(body)["id"] == told["id"] == str(entry.pk)
    assert (held.size, proof["index"]) == (7, 6)


def test_an_entry_that_is_not_sealed_has_no_proof_yet(cast, get):
    entry = rows.entry(cast.production)

    assert get(f"{HERE}{entry.pk}/").json()["proof"] is None
    assert get("/api/v1/audit/checkpoint/").status_code == 404


def test_that_the_log_goes_on_from_what_somebody_knows_is_proven_to_anybody(get, seal):
    seal(3)
    old = note.read(get("/api/v1/audit/checkpoint/").content.decode()).checkpoint
    seal(4)

    told = get("/api/v1/audit/consistency/?from=3", "stan").json()

    new = note.read(told["checkpoint"]).checkpoint
    path = [base64.b64decode(one) for one in told["proof"]]
    assert merkle.is_consistent(old.size, old.root, new.size, new.root, path)
    ahead = get("/api/v1/audit/consistency/?from=8")
    assert (ahead.status_code, ahead.json()["code"]) == (409, "not_reached")
    assert get("/api/v1/audit/consistency/").status_code == 400


def test_what_was_erased_is_null_and_said_to_be(cast, get):
    entry = rows.entry(cast.production, "mara", private={"reason": "private"})
    kept = {field.name: getattr(entry, field.name) for field in Entry._meta.concrete_fields}
    alone = Entry.objects.create(**kept | {"id": uuid7()})

    told = get(f"{HERE}{alone.pk}/").json()

    assert (told["erased"], told["reason"], told["actor"]["name"], told["count"]) == (True, None, None, None)
