"""The long poll: commands come the moment they are wanted, signed, and the answer settles the operation."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import Caller, execute


class Worker(Caller):
    """An agent of a worker, with a failed task of its own."""

    def __init__(self, brain: Any) -> None:
        super().__init__(brain)
        self.boot = uuid.uuid4()
        self.task = f"failed-{self.boot}"
        failed = sent.event(2, "task.failed", self.task, vault=str(self.boot))
        assert self.post(sent.batch(sent.online(1, vault=str(self.boot)), failed, boot=self.boot))[0] == 200
        self.pool = ThreadPoolExecutor(2)

    def polling(self, wait: int = 20) -> Future[tuple[int, dict[str, Any], float]]:
        """A poll in the background: status, answer, and when it came."""
        waiting = self.pool.submit(lambda: (*self.poll(self.boot, wait), time.monotonic()))
        time.sleep(0.5)
        assert not waiting.done()
        return waiting

    def retry(self) -> dict[str, Any]:
        [task] = [task for task in self.tasks() if task["task_id"] == self.task]
        path = f"/api/v1/harbor/production/tasks/{task['id']}/retry/"
        status, _, body = self.brain.request("POST", path, {"reason": "again"}, who="oscar")
        assert status == 202, body
        return dict(json.loads(body))

    def operation(self, pk: str) -> dict[str, Any]:
        path = f"/api/v1/harbor/production/operations/{pk}/"
        return dict(json.loads(self.brain.request("GET", path, who="oscar")[2]))


@pytest.fixture
def worker(brain) -> Worker:
    return Worker(brain)


def verified(worker: Worker, signed: dict[str, str]) -> dict[str, Any]:
    """The command, after the checks an agent makes: the pinned root vouches for the key that signed it."""
    keys = worker.call("GET", wire.KEYS_PATH)[1]
    root, statement = base64.b64decode(keys["root"]), keys["statement"]
    body = base64.b64decode(statement["body"])
    Ed25519PublicKey.from_public_bytes(root).verify(base64.b64decode(statement["sig"]), wire.KEYS_DOMAIN + body)
    action = base64.b64decode(json.loads(body)["action"][signed["kid"]])
    command = base64.b64decode(signed["body"])
    key = Ed25519PublicKey.from_public_bytes(action)
    key.verify(base64.b64decode(signed["sig"]), wire.COMMAND_DOMAIN + command)
    return dict(json.loads(command))


def test_a_waiting_poll_wakes_at_once_and_its_answer_settles_the_operation(worker):
    waiting = worker.polling()

    operation = worker.retry()
    asked = time.monotonic()
    status, answer, came = waiting.result()

    assert status == 200 and came - asked < 1
    [signed] = answer["commands"]
    command = verified(worker, signed)
    assert (command["verb"], command["audience"], command["operation"]) == ("retry", str(worker.boot), operation["id"])
    assert command["targets"][0]["task_id"] == worker.task

    results = [{"item": target["item"], "outcome": "done", "new_task_id": "n"} for target in command["targets"]]
    told = {"v": 1, "boot": str(worker.boot), "command": command["id"], "fence": command["fence"], "results": results}
    status, said = worker.call("POST", wire.RESULTS_PATH, json.dumps(told).encode())
    assert (status, said["applied"]) == (200, True)
    assert worker.operation(operation["id"])["state"] == "succeeded"


def test_what_is_queued_already_is_handed_out_without_waiting(worker):
    worker.retry()

    started = time.monotonic()
    status, answer = worker.poll(worker.boot, wait=20)

    assert status == 200 and len(answer["commands"]) == 1
    assert time.monotonic() - started < 2


def test_a_poll_ends_empty_when_its_time_is_up(worker):
    started = time.monotonic()

    status, answer = worker.poll(worker.boot, wait=1)

    assert (status, answer["commands"]) == (200, [])
    assert 0.9 < time.monotonic() - started < 3


def test_a_newer_poll_of_the_same_agent_ends_the_older_one(worker):
    older = worker.polling()
    newer = worker.polling()

    status, answer, _ = older.result(timeout=5)
    assert (status, answer["commands"]) == (200, [])

    worker.retry()
    assert len(newer.result(timeout=5)[1]["commands"]) == 1


def test_an_agent_that_polls_before_it_introduces_itself_is_served(brain):
    caller, boot = Caller(brain), uuid.uuid4()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(caller.poll, boot, 20)
        time.sleep(0.3)
        worker = Worker.__new__(Worker)
        Caller.__init__(worker, brain)
        worker.boot, worker.task = boot, f"failed-{boot}"
        failed = sent.event(2, "task.failed", worker.task, vault=str(boot))
        worker.post(sent.batch(sent.online(1, vault=str(boot)), failed, boot=boot))
        worker.retry()

        assert len(waiting.result(timeout=8)[1]["commands"]) == 1


def test_an_agent_that_says_anew_what_it_may_do_is_served_at_once(worker):
    """It is remembered from poll to poll what an agent can do, for as long as it says nothing else."""
    shy = sent.online(3, vault=str(worker.boot), allowed=("cancel",))
    assert worker.post(sent.batch(shy, boot=worker.boot))[0] == 200
    worker.poll(worker.boot, wait=1)
    waiting = worker.polling()
    willing = sent.online(4, vault=str(worker.boot), allowed=("retry",))
    assert worker.post(sent.batch(willing, boot=worker.boot))[0] == 200

    worker.retry()
    asked = time.monotonic()
    status, answer, came = waiting.result()

    assert status == 200 and len(answer["commands"]) == 1
    assert came - asked < 2


def test_a_waiting_agent_counts_as_heard(worker):
    old = "2020-01-01 00:00:00"
    execute(worker.brain, "UPDATE agents_agent SET seen_at = ? WHERE boot = ?", old, worker.boot.hex)
    worker.polling(wait=3).result()

    [(seen_at,)] = execute(worker.brain, "SELECT seen_at FROM agents_agent WHERE boot = ?", worker.boot.hex)
    assert not str(seen_at).startswith("2020")


def test_a_revoked_key_gets_no_command_even_in_a_poll_that_began_before(worker):
    waiting = worker.polling()
    execute(
        worker.brain, "UPDATE agents_agentkey SET revoked_at = ? WHERE kid = ?", "2020-01-01 00:00:00", worker.dsn.kid
    )
    time.sleep(5)
    worker.retry()

    status, answer, _ = waiting.result(timeout=5)
    execute(worker.brain, "UPDATE agents_agentkey SET revoked_at = NULL WHERE kid = ?", worker.dsn.kid)
    time.sleep(5)

    assert (status, answer["code"]) == (401, "token_revoked")


def test_a_stopping_brain_answers_its_polls(store, tmp_path):
    brain = Brain(store, tmp_path / "stopping")
    brain.start()
    waiting = Worker(brain).polling(wait=25)

    stopped: list[int] = []
    stopping = threading.Thread(target=lambda: stopped.append(brain.stop()))
    stopping.start()

    assert waiting.result(timeout=5)[:2][0] == 200
    stopping.join()
    assert stopped == [0]
    brain.close()


def test_a_poll_brings_along_what_looks_stuck(brain):
    # An environment in which nobody else polls: its rounds begin with us.
    worker = Caller(brain, "staging")
    boot, engine, long_ago = uuid.uuid4(), "rq", sent.now() - 600_000_000
    online = sent.online(1)
    online["data"]["engines"] = [{"name": engine, "version": "1", "capabilities": {"lookup": {"note": ""}}}]
    started = sent.event(2, "task.started", "stuck", engine=engine, run=long_ago, name="shop.pay") | {"ts": long_ago}
    assert worker.post(sent.batch(online, started, boot=boot))[0] == 200

    status, answer = worker.poll(boot, 1)

    assert status == 200
    [look] = answer["look"]
    assert (look["engine"], look["task_id"], look["state"]) == (engine, "stuck", "started")
    assert (look["run"], look["attempt"]) == (long_ago, 0)
    assert look["orphan"] is False, "agents may still be coming back"
    assert "look" not in worker.poll(boot, 1)[1], "once a round"


def test_the_doctor_of_an_agent_is_told_of_its_hello_and_of_nothing_else(worker):
    def told(task_id):
        return worker.call("GET", f"{wire.HELLO_PATH}?engine=celery&task_id={task_id}")

    place = {"place": "harbor/production"}
    nothing = (200, place | {"state": None, "worker": "", "kinds": []})
    hello = f"hello-{worker.boot}"
    assert told(hello) == nothing
    ran = sent.event(4, "task.succeeded", hello, name="z4j.hello", worker="w1", run=sent.START)
    worker.post(sent.batch(sent.event(3, "task.enqueued", hello, name="z4j.hello"), ran, boot=worker.boot))

    assert told(hello) == (
        200,
        place | {"state": "succeeded", "worker": "w1", "kinds": ["task.enqueued", "task.succeeded"]},
    )
    assert told(worker.task) == nothing
    assert told("%00") == told("%1b[2J") == told("x" * 5000) == nothing
    assert worker.brain.request("GET", f"{wire.HELLO_PATH}?engine=celery&task_id={hello}")[0] == 401
