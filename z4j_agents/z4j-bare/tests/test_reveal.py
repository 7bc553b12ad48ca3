"""Revealing: by the owner's word alone, from this task's original alone, to the key that stands in the log alone."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from z4j_bare import seal_keys, sealing
from z4j_bare.sealing import SUITE, Place
from z4j_core import revealed
from z4j_core.dsn import DSN
from z4j_core.testing.toy import Toy

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
PLACE = Place("harbor", "production", "toy", "shop.pay", "t1")
CANARY = b"4111-1111-canary"
ASKER = seal_keys.make()


@pytest.fixture
def worker(make_agent, wait_for, brain):
    def start(**given):
        usual = {"REDACTION": "seal", "SEAL_KEY": seal_keys.write(KEY), "ALLOW": "reveal"}
        agent = make_agent(**usual | given)
        agent.add(Toy())
        agent.role("worker", "w@h")
        wait_for(lambda: agent._boot.id in brain.boots())
        return agent

    return start


@pytest.fixture
def ask(brain, wait_for):
    """The command as it was sealed and sent, and what is answered. `then`: what the brain changes of it afterwards."""

    def ask(agent, sealed=None, to=ASKER, then=None, **changes):
        target = {"item": 1, "task_id": "t1", "name": "shop.pay"} | ({"sealed": sealed} if sealed else {}) | changes
        params = {"to": to if isinstance(to, str) else seal_keys.tell(to.public_key())}
        command = brain.command(agent._boot.id, verb="reveal", targets=[target], params=params) | (then or {})
        brain.send(agent._boot.id, command)
        wait_for(lambda: any(told["command"] == command["id"] for told in brain.results))
        return command, next(told["results"][0] for told in brain.results if told["command"] == command["id"])

    return ask


@pytest.fixture
def sealed(brain):
    return sealing.seal(KEY.public_key(), DSN.parse(brain.dsn), PLACE, CANARY)


def opened(command, result, /, key=ASKER, **changes):
    place = {"project": "harbor", "environment": "production", "engine": "toy", "task_id": "t1"}
    bound = revealed.info(**place | {"command": command["id"]} | changes)
    return revealed.unpack(SUITE.decrypt(base64.b64decode(result["revealed"]), key, info=bound))


def test_whoever_asked_and_nobody_else_opens_what_was_sealed(worker, brain, ask, sealed):
    agent = worker()
    command, result = ask(agent, sealed)
    assert result["outcome"] == "done"
    assert opened(command, result) == CANARY
    for wrong in ({"task_id": "t2"}, {"environment": "staging"}, {"command": "another"}):
        with pytest.raises(InvalidTag):
            opened(command, result, **wrong)
    with pytest.raises(InvalidTag):
        opened(command, result, key=KEY)
    assert agent.engines["toy"].done == [], "no engine is asked"
    assert CANARY.decode() not in json.dumps(brain.results)
    assert agent.original("t1") is None, "it was opened for that answer only"


def test_what_this_host_keeps_itself_is_the_newest(worker, ask, sealed):
    agent = worker()
    agent.keep("t1", b"newer")
    agent.flush(2)
    assert opened(*ask(agent, sealed)) == b"newer"


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"ALLOW": "retry"}, "Z4J_ALLOW"), ({"READ_ONLY": "1"}, "Z4J_READ_ONLY"), ({"DENY": "reveal"}, "Z4J_DENY")],
)
def test_without_the_owners_word_nothing_is_revealed_and_the_setting_is_named(worker, ask, sealed, settings, named):
    _, result = ask(worker(**settings), sealed)
    assert result["outcome"] == "refused"
    assert named in result["detail"]
    assert "revealed" not in result


def test_a_key_that_was_swapped_after_the_log_took_it_is_refused(worker, ask, sealed):
    swapped = {"params": {"to": seal_keys.tell(seal_keys.make().public_key())}}
    _, result = ask(worker(), sealed, then=swapped)
    assert (result["outcome"], result["code"]) == ("refused", "not_as_sealed")
    assert "parameters" in result["detail"]
    assert "revealed" not in result


def test_without_a_proof_nothing_is_revealed_even_where_other_commands_need_none(worker, ask, sealed):
    _, result = ask(worker(REQUIRE_PROOF="0"), sealed, then={"proof": None})
    assert (result["outcome"], result["code"]) == ("refused", "proof_missing")
    assert "revealed" not in result


def test_an_original_of_another_task_or_of_a_strangers_making_is_refused(worker, brain, ask, sealed):
    agent = worker()
    for changes in ({"task_id": "t2"}, {"name": "shop.refund"}):
        assert ask(agent, sealed, **changes)[1]["code"] == "seal_altered"
    forged = sealing.seal(KEY.public_key(), replace(DSN.parse(brain.dsn), secret="brain"), PLACE, b"forged")
    assert ask(agent, forged)[1]["code"] == "seal_forged"
    other = sealing.seal(seal_keys.make().public_key(), DSN.parse(brain.dsn), PLACE, CANARY)
    _, result = ask(agent, other)
    assert (result["outcome"], result["code"]) == ("args_unavailable", "seal_no_key")
    assert ask(agent)[1]["outcome"] == "args_unavailable"


@pytest.mark.parametrize("to", ["", "AAAA", "%", base64.b64encode(bytes(32)).decode()])
def test_a_key_that_is_none_is_refused(worker, ask, sealed, to):
    _, result = ask(worker(), sealed, to=to)
    assert result["outcome"] == "refused"
    assert "key" in result["detail"]


def test_one_at_a_time_and_no_more_than_a_body_holds(worker, brain, ask, wait_for, sealed):
    agent = worker()
    agent.keep("t1", b"x" * revealed.MOST)
    agent.keep("t2", b"x" * (revealed.MOST + 1))
    agent.flush(2)
    command, result = ask(agent)
    assert len(result["revealed"]) <= revealed.MAX_REVEALED
    assert opened(command, result) == b"x" * revealed.MOST
    _, result = ask(agent, task_id="t2")
    assert (result["outcome"], "65,536" in result["detail"]) == ("refused", True)
    two = [{"item": item, "task_id": "t1", "name": "shop.pay"} for item in (1, 2)]
    command = brain.command(agent._boot.id, verb="reveal", targets=two, params={"to": "x"})
    brain.send(agent._boot.id, command)
    wait_for(lambda: any(told["command"] == command["id"] for told in brain.results))
    told = next(told["results"] for told in brain.results if told["command"] == command["id"])
    assert [one["outcome"] for one in told] == ["refused"] * 2


@pytest.mark.parametrize(
    ("settings", "offered", "allowed", "why"),
    [
        ({}, True, True, ""),
        ({"ALLOW": ""}, True, False, "Z4J_ALLOW"),
        ({"SEAL_KEY": None}, False, True, "Z4J_SEAL_KEY"),
    ],
)
def test_the_brain_is_told_whether_it_may_be_asked_and_why_not(
    worker, brain, wait_for, settings, offered, allowed, why
):
    worker(**settings)
    wait_for(lambda: "agent.online" in brain.kinds())
    data = next(event["data"] for event in brain.stored.values() if event["kind"] == "agent.online")
    [engine] = data["engines"]
    assert ("reveal" in engine["capabilities"]) == offered
    assert ("reveal" in data["allowed"]) == allowed
    assert why in (engine["missing"].get("reveal") or data["refused"].get("reveal", ""))
