"""The agents' door from outside: whatever is sent, the answer is never a 5xx, and good events are stored."""

from __future__ import annotations

import http.client
import json
import uuid

import pytest
from z4j_core import wire

from tests import wire as sent
from tests.gateway.conftest import Caller, execute
from tests.gateway.corpus import CLEANED, POISON, REFUSED, around


def test_events_arrive_and_are_seen(agent):
    batch = sent.batch(sent.event(1, task_id="seen", name="shop.pay"), sent.event(2, "task.started", "seen"))

    status, answer = agent.post(batch)

    assert (status, answer["accepted"]) == (200, 2)
    assert agent.post(batch) == (status, answer)
    [task] = [task for task in agent.tasks() if task["task_id"] == "seen"]
    assert (task["name"], task["state"]) == ("shop.pay", "started")


def test_hostile_events_never_cost_a_5xx_nor_the_rest_of_their_batch(agent):
    for text, code in [*POISON.values(), *((text, "") for text, _ in CLEANED.values())]:
        status, answer = agent.post(around(text))

        assert status == 200
        assert [one["code"] for one in answer["rejected"]] == ([code] if code else [])
        assert answer["accepted"] == (2 if code else 3)


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_bodies_are_refused_with_a_4xx(agent, name):
    body, encoding, status, code = REFUSED[name]

    answered, problem = agent.post(body, **({"Content-Encoding": encoding} if encoding else {}))

    assert (answered, problem["code"]) == (status, code)


def test_a_token_of_one_environment_never_writes_another(brain):
    island = Caller(brain, "production", "island")
    batch = sent.batch(sent.event(1, task_id="smuggled"))

    status, _ = island.post(batch | {"project": "harbor", "environment": "production"})

    assert status == 200
    assert "smuggled" not in [task["task_id"] for task in Caller(brain).tasks()]
    assert "smuggled" in [task["task_id"] for task in island.tasks("stan")]


def test_an_oversized_body_is_refused_before_it_is_read(agent):
    connection = http.client.HTTPConnection("127.0.0.1", agent.brain.port, timeout=5)
    connection.putrequest("POST", wire.EVENTS_PATH)
    for name, value in {**agent.headers, "Content-Length": str(wire.MAX_BODY + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 100)  # the rest is never sent

    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
    connection.close()


def test_other_methods_and_versions_are_refused(agent):
    assert agent.call("GET", wire.EVENTS_PATH)[0] == 405
    assert agent.call("POST", wire.COMMANDS_PATH, b"")[0] == 405
    assert agent.call("GET", wire.RESULTS_PATH)[0] == 405
    assert agent.call("GET", f"{wire.COMMANDS_PATH}?boot={sent.BOOT}&v=99")[1]["code"] == "version"
    assert agent.call("GET", f"{wire.COMMANDS_PATH}?boot=me&v=1")[1]["code"] == "boot"
    assert agent.call("GET", f"{wire.COMMANDS_PATH}?boot={sent.BOOT}&wait=soon")[1]["code"] == "wait"


def test_results_of_strangers_and_nonsense_are_refused(agent):
    good = {"v": 1, "boot": str(uuid.uuid4()), "command": str(uuid.uuid4()), "fence": 1, "results": []}
    for body, status, code in [
        (good, 404, "agent_unknown"),
        (good | {"results": [{"item": "1", "outcome": "done"}]}, 400, "envelope"),
        (good | {"results": [{"item": 1}]}, 400, "envelope"),
        (good | {"results": [{"item": 1, "outcome": "done"}] * 501}, 413, "too_many_results"),
        (good | {"fence": 2**40}, 400, "envelope"),
        (good | {"v": 9}, 400, "version"),
        ([], 400, "envelope"),
    ]:
        answered, problem = agent.call("POST", wire.RESULTS_PATH, json.dumps(body).encode())
        assert (answered, problem["code"]) == (status, code)


def test_the_tries_header_is_read_and_nonsense_in_it_is_not(agent):
    for tries in ("3", "-1", "x", "9" * 400, "²"):
        header = {wire.TRIES_HEADER: tries.encode().decode("latin-1")}
        assert agent.post(sent.batch(sent.event(1)), **header)[0] == 200


def test_what_was_turned_away_is_remembered_by_hash_alone(agent):
    agent.post(around('{"seq":2,"secret":"hunter2","kind":5}'))

    rows = execute(agent.brain, "SELECT code, size, digest FROM agents_quarantined ORDER BY id DESC LIMIT 1")
    assert rows[0][0] == "field"
    assert "hunter2" not in agent.brain.log
