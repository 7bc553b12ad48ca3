"""The audit trail over the API: who, what, why and how it ended; filters that are strict; pages that go on."""

from __future__ import annotations

import pytest

from tests import rows
from z4j_brain.ledger.states import Outcome
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
