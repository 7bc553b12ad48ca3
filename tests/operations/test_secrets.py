"""Arguments that a person types for an agent: nobody else reads them, and nothing keeps them."""

from __future__ import annotations

import json

import pytest

from tests import rows, sealed
from tests.operations.test_outbox import answer
from z4j_brain.ledger.models import EntryPrivate
from z4j_brain.operations.models import Command, Operation, Snapshot

CANARY = "canary-4111111111111111"
HERE = "/api/v1/harbor/production/operations/"


@pytest.fixture
def asked(client, cast):
    """A retry with changed arguments, previewed and asked for over the API, and the agent that will carry it out."""
    task = rows.task(cast.production)
    agent = rows.agent(cast.production, verbs=("retry_with",))
    options = {"args": [CANARY, 1.5], "kwargs": {"größe": CANARY}}
    body = {"action": "task.retry_with", "targets": [task.pk], "options": options}
    told = []
    for path in ("preview/", ""):
        reply = client.post(HERE + path, json.dumps(body), content_type="application/json", **cast.bearer("oscar"))
        assert reply.status_code in (200, 202), reply.content
        told.append(reply.content.decode())
    return agent, Operation.objects.get(), told


def test_they_reach_the_agent_as_they_were_typed(asked):
    agent, _, _ = asked
    [command] = sealed.lease(agent)
    assert command["params"] == {"args": [CANARY, 1.5], "kwargs": {"größe": CANARY}}


def test_no_answer_no_page_and_no_entry_tells_them(asked, client, cast):
    _, operation, told = asked
    told += [client.get(f"{HERE}{path}", **cast.bearer("vera")).content.decode() for path in ("", f"{operation.pk}/")]
    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")
    told.append(client.get(f"/harbor/production/operations/{operation.pk}/").content.decode())
    told += [bytes(entry.payload).decode() for entry in EntryPrivate.objects.all()]
    told += [json.dumps([snapshot.filter, snapshot.ids]) for snapshot in Snapshot.objects.all()]
    assert "retry_with" in "".join(told)
    assert not [text for text in told if CANARY in text]


def test_when_it_is_over_they_are_gone(asked):
    agent, operation, _ = asked
    [command] = sealed.lease(agent)
    assert answer(agent, command, "done", new_task_id="again")
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert Command.objects.get().params == {}
    assert CANARY not in json.dumps(operation.options)
