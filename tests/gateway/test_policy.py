"""What an environment asks of redaction reaches its agents: with the next answer, and at once where one waits."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from z4j_core import policy, wire

from tests import wire as sent
from tests.gateway.conftest import Caller, execute

PLACE = "/api/v1/harbor/production/redaction/"


class Listener(Caller):
    """An agent that applies policies."""

    def __init__(self, brain: Any, *place: str) -> None:
        super().__init__(brain, *place)
        self.boot = uuid.uuid4()
        assert self.post(sent.batch(sent.online(1), boot=self.boot))[0] == 200

    def ask(self, applied: str, wait: int = 0) -> dict[str, Any]:
        status, answer = self.call("GET", f"{wire.COMMANDS_PATH}?boot={self.boot}&wait={wait}&v=1&policy={applied}")
        assert status == 200
        return answer


@pytest.fixture
def listener(brain):
    return Listener(brain)


def change(brain, body, path=PLACE, method="PATCH"):
    status, _, answer = brain.request(method, path, {"reason": "because"} | body, who="olive")
    assert status in (200, 201, 204), answer
    return json.loads(answer or "{}")


def eventually(look, seconds=30.0):
    """What `look` finds, once it finds anything."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return found


def test_an_agent_hears_the_policy_until_it_applies_it(listener):
    told = listener.ask("")["redaction"]

    assert policy.read(told) == told and told["default"] == "shapes"
    assert "redaction" not in listener.ask(told["version"])
    assert "redaction" not in listener.poll(listener.boot)[1], "an agent from before policies is told nothing"


def test_an_open_poll_ends_with_what_is_tightened_and_only_there(brain, listener):
    stranger = Listener(brain, "production", "island")
    mine, theirs = listener.ask("")["redaction"]["version"], stranger.ask("")["redaction"]["version"]
    with ThreadPoolExecutor(2) as pool:
        waiting: Future[dict[str, Any]] = pool.submit(listener.ask, mine, 25)
        elsewhere: Future[dict[str, Any]] = pool.submit(stranger.ask, theirs, 5)
        time.sleep(0.5)

        change(brain, {"mode": "shapes", "tasks": [{"glob": "mail.*", "mode": "seal"}]})

        told = waiting.result(timeout=20)["redaction"]
        assert (told["mode"], told["tasks"]) == ("shapes", [["mail.*", "seal"]])
        assert not elsewhere.done() and "redaction" not in elsewhere.result(timeout=20)

    applied = "SELECT policy FROM agents_agent WHERE boot = ?"
    boot = str(listener.boot) if brain.database_url else listener.boot.hex
    listener.ask(told["version"], wait=1)
    eventually(lambda: execute(brain, applied, boot) == [(told["version"],)])
    change(brain, {"mode": "redact", "tasks": []})


def test_a_rule_of_the_project_reaches_every_environment_of_it_and_no_other(brain, listener):
    places = [listener, Listener(brain, "staging"), Listener(brain, "production", "island")]
    before = [one.ask("")["redaction"]["version"] for one in places]
    rule = {"id": "orders", "kind": "text", "match": "ORD-####", "tasks": ""}
    change(brain, rule, f"{PLACE}rules/", "POST")

    for one, version in zip(places[:2], before, strict=False):
        assert eventually(lambda one=one, version=version: one.ask(version).get("redaction"))["rules"] == [rule]
    assert "redaction" not in places[2].ask(before[2])

    change(brain, {}, f"{PLACE}rules/orders/", "DELETE")
    assert eventually(lambda: listener.ask(before[0]).get("redaction") is None)
