"""What an agent is told of the audit log with each poll: how it goes on from what the agent remembers."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
from z4j_core import merkle, note, statement, wire

from tests import wire as sent
from tests.gateway.conftest import Caller
from tests.gateway.test_poll import Worker


@pytest.fixture
def worker(brain) -> Worker:
    return Worker(brain)


def handed_out(worker):
    """A command that this worker is given: its request is sealed then."""
    worker.retry()
    answer = worker.poll(worker.boot, wait=20)[1]
    assert len(answer["commands"]) == 1
    return answer


def remembering(caller, log=None, **more):
    """An answer at once to who remembers the checkpoint of this log."""
    point = note.read(log["checkpoint"]).checkpoint if log else None
    known = {"origin": point.origin, "size": point.size} if point else {}
    query = "".join(f"&{name}={value}" for name, value in (known | more).items())
    return caller.call("GET", f"{wire.COMMANDS_PATH}?boot={uuid.uuid4()}&wait=0&v=1{query}")[1].get("log")


def hashes(found):
    return [base64.b64decode(part) for part in found]


def goes_on(old, new, proof):
    one, other = note.read(old).checkpoint, note.read(new).checkpoint
    return merkle.is_consistent(one.size, one.root, other.size, other.root, hashes(proof))


def test_a_poll_is_told_how_the_log_goes_on_from_what_it_remembers(worker):
    handed_out(worker)
    first = remembering(worker)
    assert first["proof"] == []

    handed_out(Worker(worker.brain))
    later = remembering(worker, first)

    assert goes_on(first["checkpoint"], later["checkpoint"], later["proof"])
    point = note.read(later["checkpoint"]).checkpoint
    same = remembering(worker, later)
    assert same is None or same["checkpoint"] != later["checkpoint"]
    ahead = remembering(worker, later, size=point.size + 1000)
    assert note.read(ahead["checkpoint"]).checkpoint.size < point.size + 1000 and ahead["proof"] == []
    other = remembering(worker, later, origin="another/z4j/audit/1")
    assert goes_on(other["first"], other["checkpoint"], other["proof"])


@pytest.mark.parametrize("size", ["-1", "x", "9" * 40, "", "%00"])
def test_what_is_no_memory_counts_as_none(agent, worker, size):
    handed_out(worker)
    assert remembering(agent, size=size, origin="brain/z4j/audit/1")["proof"] == []


def test_a_command_proves_that_what_it_says_was_sealed_before(worker):
    answer = handed_out(worker)
    command = sent.opened(answer["commands"][0])
    operation, proof = worker.operation(command["operation"]), command["proof"]

    point = note.read(proof["checkpoint"]).checkpoint
    entry, said = base64.b64decode(proof["entry"]), base64.b64decode(proof["statement"])
    path = hashes(proof["path"])
    assert merkle.is_included(merkle.leaf_hash(entry), proof["index"], point.size, path, point.root)
    assert json.loads(entry)["id"] == operation["entry"]
    root = bytes.fromhex(json.loads(entry)["commands"])
    assert statement.is_of(root, said, proof["number"], proof["count"], hashes(proof["way"]))
    assert statement.difference(statement.read(said), command) == ""
    # The answer's log is the one that the command is proven under: nobody has to ask for more.
    assert answer["log"]["checkpoint"] == proof["checkpoint"]
    # What was typed is in no entry.
    assert worker.task not in entry.decode()


def test_between_two_sizes_that_the_log_has_had_the_proof_is_had_for_the_asking(worker):
    handed_out(worker)
    handed_out(Worker(worker.brain))
    point = note.read(remembering(worker)["checkpoint"]).checkpoint
    place = f"{wire.LOG_PATH}?origin={point.origin}"

    status, told = worker.call("GET", f"{place}&old=1&new={point.size}")
    assert status == 200 and len(told["proof"]) > 0
    # With the root it had then, which is what proves to an agent that knows another that there are two logs.
    [root], path = hashes([told["root"]]), hashes(told["proof"])
    assert merkle.is_consistent(1, root, point.size, point.root, path)
    for query in (f"&old=1&new={point.size + 10_000}", "&old=2&new=1", "&old=x&new=1", "&old=1"):
        assert worker.call("GET", place + query)[0] == 409
    assert worker.call("GET", f"{wire.LOG_PATH}?origin=other/7&old=1&new=1")[0] == 409
    stranger = Caller(worker.brain)
    stranger.headers = {}
    assert stranger.call("GET", f"{place}&old=1&new={point.size}")[0] == 401
