"""What an agent should have hidden is hidden by the brain before it is stored, and counted; so is what was hidden."""

from __future__ import annotations

import base64
import itertools
import logging
import uuid

import orjson
import pytest
from django.db import connection
from z4j_core import policy as redaction_policy
from z4j_core import wire as wire_limits

from tests import rows, wire
from z4j_brain.agents import hidden, redaction
from z4j_brain.agents.models import Agent, AgentKey, Hidden, LateRedaction, RedactionRule
from z4j_brain.lib.problem import Problem
from z4j_brain.tasks import late as second_look
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Event, Sealed, Task

pytestmark = pytest.mark.django_db

SECRET = "hunter2.Zk81"
EMPTY = {"mode": "redact", "default": "redact", "tasks": [], "rules": [], "seal_key": ""}


@pytest.fixture
def key(cast):
    redaction._believed.clear()
    yield AgentKey.objects.filter(environment=cast.production).first() or rows.agent(cast.production).key
    redaction._believed.clear()


def everything():
    """All that the store holds, as text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            texts.append(f"{table} {cursor.fetchall()!r}")
    return texts


def late(key):
    return {row.agent: row.count for row in LateRedaction.objects.filter(environment=key.environment)}


def counted(key):
    return dict(Hidden.objects.filter(environment=key.environment).values_list("rule", "count"))


def test_a_secret_that_an_agent_let_through_is_in_no_row_and_in_no_log(key, caplog):
    caplog.set_level(logging.DEBUG)
    error = {"type": "E", "message": f"login with password={SECRET}", "traceback": f"E: password={SECRET}"}
    events = [
        wire.event(1, "task.received", args=f"('{SECRET}',)".replace(SECRET, f"password={SECRET}"), name="mail.send"),
        wire.event(2, "task.progress", progress={"step": 1, "password": SECRET, "deep": [{"note": f"pwd: {SECRET}"}]}),
        wire.event(3, "task.failed", error=error, result="{'ok': True}"),
    ]
    batch = wire.parsed(*events)

    assert ingest(key, batch)["accepted"] == 3

    assert [text for text in everything() if SECRET in text] == []
    assert SECRET not in caplog.text and "late_redactions agent=shop" in caplog.text
    assert late(key) == {"shop": 3}
    stored = Event.objects.get(kind="task.failed").data
    assert stored["error"]["message"] == "login with password=[redacted]" and stored["result"] == "{'ok': True}"
    assert Task.objects.get(task_id="t1").args == "('password=[redacted]',)"


def test_a_repeat_gets_the_same_answer_and_counts_nothing_again(key):
    body = wire.batch(wire.event(1, args=f"(password={SECRET})", kwargs="{'card': '[card]'}"), boot=uuid.uuid4())
    batch = wire.parser.parse(wire.raw(body))

    first = ingest(key, batch)
    assert ingest(key, wire.parser.parse(wire.raw(body)), tries=2) == first
    again = body | {"first": 1, "events": [*body["events"], wire.event(2)]}
    with pytest.raises(Problem, match="other content"):
        ingest(key, wire.parser.parse(wire.raw(again)))

    assert late(key) == {"shop": 1} and counted(key) == {"redacted": 1, "card": 1}


def test_values_are_counted_by_the_rule_that_hid_them(key, cast):
    RedactionRule.objects.create(project=cast.harbor, slug="orders", kind="text", match="ORD-####")
    told = "{'password': [redacted:password], 'order': '[redacted:orders]', 'mail': '[email]', 'to': '[email]'}"

    ingest(key, wire.parsed(wire.event(1, kwargs=told, name="mail.send")))
    ingest(key, wire.parsed(wire.event(2, result="'[email]'")))

    assert counted(key) == {"names": 1, "orders": 1, "email": 3}
    found = hidden.counts(cast.actor("vera"), cast.production)
    assert found.rules[0] == {"rule": "email", "week": 3, "month": 3} and found.late == []
    assert hidden.counts(cast.actor("stan"), cast.production).rules == []


def test_a_rule_of_the_project_hides_what_an_older_agent_tells(key, cast):
    RedactionRule.objects.create(project=cast.harbor, slug="orders", kind="text", match="ORD-####", tasks="mail.*")

    ingest(key, wire.parsed(wire.event(1, args="('ORD-1234',)", name="mail.send")))
    ingest(key, wire.parsed(wire.event(2, args="('ORD-1234',)", name="shop.order", task_id="t2")))

    assert Task.objects.get(task_id="t1").args == "('[redacted:orders]',)"
    assert Task.objects.get(task_id="t2").args == "('ORD-1234',)"
    assert late(key) == {"shop": 1}


@pytest.mark.parametrize(
    "value",
    [
        {"password": [SECRET]},
        {"password": {"v": SECRET}},
        {"deep": [{"name": "password", "value": SECRET}]},
        {"deep": [{"Value": {"v": SECRET}, "Key": "api_key"}]},
        {"pair": ["password", SECRET]},
        {"command": ["psql", "--password", SECRET, "shop"]},
        {"pairs": [["user", "ann"], ["password", [SECRET]]]},
    ],
)
def test_what_is_called_like_a_secret_is_hidden_whatever_it_is(key, value):
    ingest(key, wire.parsed(wire.event(1, "task.progress", progress=value), wire.event(2, "task.noted", data=value)))

    assert [text for text in everything() if SECRET in text] == []
    assert late(key) == {"shop": 2}


def test_a_number_that_is_called_like_a_secret_is_hidden_and_a_count_is_not(key):
    told = {"pin": 1234, "tokens": 17, "step": 1, "password": None, "has_token": True, "token": "[jwt]", "at": ["a", 2]}
    error = {"type": f"E(password={SECRET})", "message": "no"}

    ingest(key, wire.parsed(wire.event(1, "task.progress", progress=told), wire.event(2, "task.failed", error=error)))

    assert Event.objects.get(kind="task.progress").data["progress"] == told | {"pin": "[redacted]"}
    assert Event.objects.get(kind="task.failed").data["error"]["type"] == "E(password=[redacted])"
    assert late(key) == {"shop": 2}


def test_what_a_batch_may_cost_is_bounded_for_each_by_itself():
    policy = redaction_policy.read(EMPTY | {"version": redaction_policy.version(EMPTY)})
    more = ({}, {"kwargs": "usual"}, {}, {"progress": {"a": {"b": SECRET}}})
    events = [wire.event(n, args=f"({n}, password={SECRET})", **part) for n, part in enumerate(more)]
    told = [(Agent(name=name), wire.parsed(*events).events) for name in ("shop", "mail")]
    step = second_look.BUDGET / 2
    second_look.look(policy, told[:1], clock=lambda: 0)  # so that what is usual is known

    looked = second_look.look(policy, told, clock=itertools.count(0, step).__next__)

    for _, stored in looked.told:
        assert [parsed.event["args"] for parsed in stored] == ["(0, password=[redacted])", *["str[26]"] * 3]
        assert stored[1].event["kwargs"] == "usual" and stored[3].event["progress"] == {"entries": 1}
        assert all(SECRET not in parsed.text for parsed in stored)
    assert looked.late == {"shop": 5, "mail": 5}


def test_what_hiding_makes_longer_stays_within_what_an_event_may_be(key):
    hostile = "Pwd=a;" * (wire_limits.MAX_STRING // 6 - 50)
    error = {"type": "E", "message": "no", "traceback": hostile}

    ingest(key, wire.parsed(wire.event(1, args=hostile, kwargs=hostile)))
    ingest(key, wire.parsed(wire.event(2, "task.failed", error=error, data={"a": hostile})))

    for event in Event.objects.all():
        assert len(orjson.dumps(event.data)) <= wire_limits.MAX_EVENT
        texts = [event.data.get("args"), event.data.get("kwargs"), event.data.get("error", {}).get("traceback")]
        assert all(len(text) <= wire_limits.MAX_STRING and "Pwd=a" not in text for text in texts if text)
    assert late(key) == {"shop": 4}


def test_what_came_sealed_is_kept_when_something_is_hidden_beside_it(key):
    sealed = {"kid": "k" * 16, "blob": base64.b64encode(b"opaque").decode()}

    ingest(key, wire.parsed(wire.event(1, args=f"(password={SECRET})", sealed=sealed)))

    assert late(key) == {"shop": 1}
    assert bytes(Sealed.objects.get().blob) == b"opaque"


@pytest.mark.parametrize(
    "text",
    [
        "{'password': str[8], 'token_count': 5, 'pin': int}",
        "(int, str[36], [str[3], float], None)",
        "{'password': [redacted], 'note': '[redacted:customer-ref]', 'url': 'https://[redacted]@host/a'}",
    ],
)
def test_what_was_hidden_well_is_left_as_it_is(key, text):
    ingest(key, wire.parsed(wire.event(1, args=text, kwargs=text, result=text)))

    assert late(key) == {} and Task.objects.get().args == text
