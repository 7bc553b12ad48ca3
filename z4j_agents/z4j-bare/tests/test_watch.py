"""What nobody reports by itself: queues and what waits in them, tasks in doubt, and a broker that is gone."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

import pytest
from z4j_bare import looks
from z4j_bare.bounds import within
from z4j_bare.clock import Skew
from z4j_bare.config import Config
from z4j_core import safety, wire
from z4j_core.engine import Advice, Engine

ORPHAN = {"engine": "toy", "task_id": "t1", "attempt": 1, "run": 5, "orphan": True}


class Toy(Engine):
    """An engine whose broker is a dictionary and whose store is a list."""

    name: ClassVar[str] = "toy"

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[str, list[dict[str, Any]]] = {"mail": []}
        self.store: list[dict[str, Any]] = []
        self.running: list[dict[str, Any]] = []
        self.down: Exception | None = None
        self.asked: list[str] = []

    def worker(self):
        return {"host": "h", "pid": os.getpid(), "queues": ["mail"], "running": self.running}

    def queues(self):
        for name, messages in self.waiting.items():
            if self.down:
                raise self.down
            yield {"name": name, "depth": len(messages), "exact": True}

    def peek(self, queue, limit):
        return self.waiting[queue][:limit]

    def lookup(self, targets):
        self.asked += [target.task_id for target in targets]
        if self.down:
            raise self.down
        return self.store

    def advice(self):
        return [Advice("acks-early", "Tasks are taken off the queue before they run.", "Set acks_late.")]


class Plain(Engine):
    """An engine that tells of itself and nothing else."""

    name: ClassVar[str] = "plain"

    def worker(self):
        return {"host": "h", "pid": 1, "queues": [], "running": []}

    def retry(self, target, params):
        raise AssertionError


def message(number: int, kind: str = "task.enqueued", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "task_id": f"m{number}", "name": "mail.send", "queue": "mail", "args": "['[str]']"} | more


@pytest.fixture
def watching(make_agent, monkeypatch, wait_for, brain):
    """A worker that looks at its queues ten times a second."""
    monkeypatch.setattr("z4j_bare.watch.EVERY", 0.1)
    monkeypatch.setattr("z4j_bare.watch.PEEK_EVERY", 0.2)
    monkeypatch.setattr("z4j_bare.watch.FIRST", 0.1)
    monkeypatch.setattr("z4j_bare.watch.LOOKS_EVERY", 0.0)

    def start(engine):
        agent = make_agent()
        agent.add(engine)
        agent.role("worker", "w@h")
        wait_for(lambda: "agent.online" in brain.kinds())
        return agent

    return start


def of(brain, kind: str, task_id: str | None = None) -> list[dict[str, Any]]:
    events = list(brain.stored.values())
    return [event for event in events if event["kind"] == kind and task_id in (None, event.get("task_id"))]


def problems(brain) -> list[str]:
    """The codes that the latest agent.online tells."""
    latest = max(of(brain, "agent.online"), key=lambda event: event["seq"])
    return [problem["code"] for problem in latest["data"]["problems"]]


def test_a_backlog_and_dead_letters_are_told_before_any_worker_takes_them_and_once(watching, brain, wait_for):
    toy = Toy()
    toy.waiting["mail"] = [message(number) for number in range(120)] + [message(7, "task.dead_lettered")]
    watching(toy)
    wait_for(lambda: len(of(brain, "queue.snapshot")) >= 8)
    snapshot = of(brain, "queue.snapshot")[0]
    assert (snapshot["engine"], snapshot["queue"]) == ("toy", "mail")
    assert snapshot["data"] == {"name": "mail", "depth": 121, "exact": True}
    told = of(brain, "task.enqueued")
    assert {event["task_id"] for event in told} == {f"m{number}" for number in range(100)}
    assert len(told) == 100
    assert {(event["source"], event["engine"], event.get("run")) for event in told} == {("reconcile", "toy", None)}
    toy.waiting["mail"] = [message(7, "task.dead_lettered"), message(7, attempt=1)]
    wait_for(lambda: of(brain, "task.dead_lettered", "m7") and len(of(brain, "task.enqueued", "m7")) == 2)


def test_a_broker_that_is_gone_is_told_when_it_goes_and_when_it_is_back(watching, brain, wait_for):
    toy, before = Toy(), safety.failures["toy.queues"]
    watching(toy)
    wait_for(lambda: of(brain, "queue.snapshot"))
    assert problems(brain) == []
    toy.down = ConnectionError("redis://user:secret@broker")
    wait_for(lambda: problems(brain) == ["broker_down"])
    wait_for(lambda: safety.failures["toy.queues"] >= before + 3)
    assert len(of(brain, "agent.online")) == 2
    assert "secret" not in str(list(brain.stored.values()))
    toy.down = None
    wait_for(lambda: problems(brain) == [])
    toy.down = KeyError("an adapter's own mistake")
    wait_for(lambda: problems(brain) == ["read_failed"])


def test_nothing_is_asked_that_an_engine_does_not_define(watching, brain, wait_for):
    before = safety.failures.copy()
    watching(Plain())
    brain.looks.append(ORPHAN | {"engine": "plain"})
    wait_for(lambda: of(brain, "task.lost", "t1"))
    assert of(brain, "queue.snapshot") == []
    assert safety.failures == before


def test_what_the_store_says_of_a_task_in_doubt_is_told_with_the_run_it_was_asked_about(watching, brain, wait_for):
    toy = Toy()
    toy.store = [
        {"kind": "task.succeeded", "task_id": "t1", "result": "[int]"},
        {"kind": "task.enqueued", "task_id": "t2", "attempt": 3},
        {"kind": "task.succeeded", "task_id": "of somebody else"},
    ]
    watching(toy)
    brain.looks += [ORPHAN, ORPHAN | {"task_id": "t2"}, ORPHAN | {"task_id": "t3"}]
    wait_for(lambda: of(brain, "task.lost"))
    end, place, lost = of(brain, "task.succeeded", "t1")[0], of(brain, "task.enqueued", "t2")[0], of(brain, "task.lost")
    assert (end["attempt"], end["run"], end["source"], end["engine"]) == (1, 5, "reconcile", "toy")
    assert (place["attempt"], place["run"]) == (3, 5)
    assert [(event["task_id"], event["attempt"], event["run"], event["source"]) for event in lost] == [
        ("t3", 1, 5, "reconcile")
    ]
    assert lost[0]["error"] == {
        "type": "Lost",
        "message": "No live worker claims it and toy's store does not know how it ended.",
        "reason": "worker_lost",
    }
    assert brain.task_ids() == {"t1", "t2", "t3"}


def test_what_only_confirms_what_the_brain_takes_a_task_for_is_not_told_again(watching, brain, wait_for):
    toy = Toy()
    toy.store = [
        {"kind": "task.enqueued", "task_id": "t1"},
        {"kind": "task.started", "task_id": "t2"},
        {"kind": "task.enqueued", "task_id": "t3"},
    ]
    watching(toy)
    states = {"t1": "queued", "t2": "started", "t3": "started"}
    brain.looks += [ORPHAN | {"task_id": one, "state": state} for one, state in states.items()]
    wait_for(lambda: of(brain, "task.enqueued", "t3"))
    assert brain.task_ids() == {"t3"}, "and what the store knows is not lost"


def test_a_task_is_not_lost_while_the_store_cannot_be_asked_or_this_process_runs_it(watching, brain, wait_for):
    toy = Toy()
    toy.running = [{"task_id": "t1"}]
    watching(toy)
    brain.looks += [ORPHAN, ORPHAN | {"task_id": "t2", "orphan": False}]
    wait_for(lambda: toy.asked == ["t1", "t2"])
    toy.down = TimeoutError()
    brain.looks.append(ORPHAN | {"task_id": "t3"})
    wait_for(lambda: toy.asked == ["t1", "t2", "t3"])
    toy.down = None
    brain.looks.append(ORPHAN | {"task_id": "t4"})
    wait_for(lambda: of(brain, "task.lost"))
    assert {event["task_id"] for event in of(brain, "task.lost")} == {"t4"}


@pytest.mark.parametrize(
    "look",
    [None, [], {}, ORPHAN | {"task_id": ""}, ORPHAN | {"task_id": "x" * 256}, ORPHAN | {"task_id": 7},
     ORPHAN | {"engine": None}, ORPHAN | {"attempt": True}, ORPHAN | {"attempt": -1}, ORPHAN | {"run": "5"},
     ORPHAN | {"run": 2**63}, ORPHAN | {"orphan": 1}, ORPHAN | {"name": ["x"]}, ORPHAN | {"task_id": "t\n1"},
     ORPHAN | {"queue": "\x1b[2J"}, ORPHAN | {"task_id": "\udcff"},
     ORPHAN | {"queue": "q" * 513}],
)  # fmt: skip
def test_what_does_not_look_like_a_look_is_left_out(look):
    assert looks.read([look, ORPHAN]) == [ORPHAN]


def test_whoever_asks_again_and_again_does_not_keep_a_broker_busy(watching, brain, wait_for, monkeypatch):
    toy = Toy()
    agent = watching(toy)
    agent.add(Plain())
    monkeypatch.setattr("z4j_bare.watch.LOOKS_EVERY", 2.0)
    began = time.monotonic()
    brain.looks += [ORPHAN | {"task_id": "first"}, ORPHAN | {"task_id": "too"}]
    wait_for(lambda: toy.asked == ["first", "too"])
    brain.looks.append(ORPHAN | {"engine": "plain", "task_id": "of another engine"})
    wait_for(lambda: of(brain, "task.lost", "of another engine"))

    def asked():
        if not brain.looks:
            brain.looks.append(ORPHAN | {"task_id": "more"})
        return "more" in toy.asked

    wait_for(asked)
    assert time.monotonic() - began >= 1.9
    assert toy.asked == ["first", "too", "more"]


def test_no_more_than_a_hundred_looks_are_taken_from_one_answer():
    assert len(looks.read([ORPHAN] * 5000)) == 100
    assert looks.read({"task_id": "t"}) == looks.read(None) == looks.read("x" * 500) == []


def test_a_worker_forks_while_its_watch_waits_for_a_broker(program, brain, wait_for):
    process = program("""
import os, sys, threading, time, z4j_bare
from z4j_core.engine import Engine
class Slow(Engine):
    name = "slow"
    def queues(self):
        print("waiting", flush=True)
        time.sleep(60)
        return []
z4j_bare.attach(Slow())
agent = z4j_bare.agent()
agent.role("worker", "w")
sys.stdin.readline()
began = time.monotonic()
for number in range(5):
    if (child := os.fork()) == 0:
        names = {thread.name for thread in threading.enumerate()}
        agent.emit({"kind": "task.started", "task_id": f"t{number}"})
        agent.flush()
        os._exit("z4j-watch" in names)
    assert os.waitpid(child, 0)[1] == 0
assert time.monotonic() - began < 30
agent.stop()
print("done", "z4j-watch" in {thread.name for thread in threading.enumerate()}, flush=True)
""")
    assert process.stdout.readline() == "waiting\n"
    out, err = process.communicate("go\n", timeout=55)
    assert (out, process.returncode) == ("done True\n", 0), err
    assert brain.task_ids() == {f"t{number}" for number in range(5)}


def test_a_second_app_an_adapter_for_another_port_and_one_that_cannot_be_imported_are_told(
    watching, brain, wait_for, tmp_path, monkeypatch
):
    class Foreign(Engine):
        name = "foreign"
        port = 2

    info = tmp_path / "z4j_broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: z4j-broken\nVersion: 1\nRequires-Dist: toy>=2,<3\n")
    (info / "entry_points.txt").write_text("[z4j.engines]\nsys = z4j_broken:Nothing\ntoy = z4j_toy:Toy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    first, second = Toy(), Toy()
    first.bound, second.bound = object(), object()
    first.version = lambda: "1.9"
    agent = watching(first)
    agent.add(Foreign())
    agent.discover()
    agent.add(first)
    agent.add(second)
    wait_for(lambda: len(problems(brain)) == 4)
    assert problems(brain) == ["other_port", "import_failed", "second_app", "version_outside_bounds"]
    online = max(of(brain, "agent.online"), key=lambda event: event["seq"])["data"]
    assert "ModuleNotFoundError" in str(online["problems"])
    assert ">=2,<3" in str(online["problems"])
    assert (first.host, second.host) == (agent, None)
    assert online["engines"][0]["advice"][0]["code"] == "acks-early"


@pytest.mark.parametrize(
    ("version", "bounds", "keeps"),
    [("5.3", ">=5.3,<6", True), ("5.2.9", ">=5.3,<6", False), ("6.0.0", "<6", False), ("6.0rc1", "<6", False),
     ("5.10", ">5.9", True), ("2.0", "==2.*", True), ("2.1.7", "==2.0.*", False), ("3", "!=3.0.0", False),
     ("1.2", "<=1.2.0", True), ("", ">=1", True), ("1.0", "", True), ("1.0", "~=1.0", True)],
)  # fmt: skip
def test_releases_are_compared_number_by_number(version, bounds, keeps):
    assert within(version, bounds) is keeps


def test_the_quickest_answer_says_best_how_far_the_clocks_are_apart(monkeypatch):
    skew = Skew()
    skew.note(1_000_000, 26_000_000, 30_000_000)
    skew.note(50_000_000, 50_010_000, 47_005_000)
    skew.note(60_000_000, 85_000_000, 60_000_000)
    for told in (None, True, "60", 0, -1):
        skew.note(60_000_000, 60_000_000, told)
    assert skew.estimate == 3_000_000
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment + 121)
    skew.note(60_000_000, 60_200_000, 60_000_000)
    assert skew.estimate == 100_000


def test_the_release_of_the_users_code_is_what_the_platform_calls_it():
    dsn = {"DSN": "http://z4ja_k1_x@127.0.0.1/a/b?key=" + "0" * 32}

    def code(given: dict[str, str], environ: dict[str, str]) -> str:
        found = Config.read(dsn | given, environ)
        return found.code if found else "no settings"

    assert code({}, {}) == ""
    assert code({}, {"SOURCE_VERSION": "abc", "HEROKU_SLUG_COMMIT": "def"}) == "abc"
    assert code({}, {"GIT_COMMIT": "abc", "Z4J_CODE_VERSION": "v9\n"}) == "v9"
    assert len(code({"CODE_VERSION": "x" * 500}, {})) == 64
    assert wire.HELLO_PATH.startswith("/agent/v1/")
