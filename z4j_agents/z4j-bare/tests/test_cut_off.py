"""A process that is killed in the middle of a command, and whoever is given that command next."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from z4j_bare.allow import AllowList
from z4j_bare.executor import Executor
from z4j_bare.journal import Journal
from z4j_core import wire
from z4j_core.engine import Answer, Engine, Target

BOOT = "0f7c0b1e-0000-4000-8000-000000000001"


class Slow(Engine):
    """It takes so long over its first target that the brain gives the command to another worker of this host."""

    name: ClassVar[str] = "toy"

    def __init__(self, journal: Journal, command: dict[str, Any]) -> None:
        self.done: list[str] = []
        self._journal, self._command = journal, command

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        if not self.done:
            self._journal.start(self._command | {"fence": 2})
        self.done.append(target.task_id)
        return Answer(wire.Outcome.DONE, "", target.new_task_id())


class Traced(Engine):
    """It notes each act among the statements of the journal."""

    name: ClassVar[str] = "toy"

    def __init__(self, journal: Journal) -> None:
        self.seen: list[str] = []
        journal.file.write(lambda db: db.set_trace_callback(self.seen.append))

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        self.seen.append("ACT")
        return Answer(wire.Outcome.DONE)

    def purge(self, target: Target, params: Mapping[str, Any]) -> Answer:
        return self.retry(target, params)


PROGRAM = """
import json, os, resource, sqlite3, sys
from pathlib import Path
from z4j_bare.allow import AllowList
from z4j_bare.executor import Executor, Unkept, every
from z4j_bare.inspection import Refused
from z4j_bare.journal import Journal
from z4j_core.engine import Answer, Engine
from z4j_core.wire import Outcome

fault, place, command = os.environ.get("FAULT"), Path(os.environ["PLACE"]), json.loads(sys.stdin.readline())
knows = os.environ.get("KNOWS", "1")

def reached(point, task_id=""):
    if fault in (point, f"{point} {task_id}"):
        os.kill(os.getpid(), 9)
    if os.environ.get("FULL") == point:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

class Cut(Journal):
    def start(self, command):
        reached("before started")
        entry = super().start(command)
        reached("after started")
        return entry
    def done(self, command, results):
        reached("before done")
        super().done(command, results)
        reached("after done")

class Toy(Engine):
    '''Its broker is a file: what is in there was sent.'''
    name = "toy"
    def __init__(self):
        self.db = sqlite3.connect(place / "broker.db", isolation_level=None)
        self.db.execute("CREATE TABLE IF NOT EXISTS sent (id TEXT)")
    def retry(self, target, params):
        return self._act(target)
    def pause(self, target, params):
        return self._act(target)
    def restart(self, target, params):
        return self._act(target)
    def landed(self, target):
        found = self.db.execute("SELECT 1 FROM sent WHERE id = ?", (target.new_task_id(),)).fetchone()
        return found is not None if knows == "1" else None
    def _act(self, target):
        reached("before the act", target.task_id)
        self.db.execute("INSERT INTO sent VALUES (?)", (target.new_task_id(),))
        reached("after the act", target.task_id)
        return Answer(Outcome.DONE, "", target.new_task_id())

def answers():
    journal = Cut(place / os.environ.get("JOURNAL", "journal.db"))
    try:
        Executor(journal, {"toy": Toy()}, AllowList(["restart"])).carry_out(command)
    except Refused as refused:
        return [{"results": every(command, refused.outcome, refused.why)}]
    except Unkept as unkept:
        return [{"results": unkept.results}]
    return journal.unsent()

print(json.dumps(answers()))
"""
POINTS = ["before started", "after started", "before the act t1", "after the act t1", "before done", "after done"]


@pytest.fixture
def sent(tmp_path):
    """The tasks that came to the toy's broker, in order."""

    def read() -> list[str]:
        if not (tmp_path / "broker.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(tmp_path / "broker.db")) as db:
            return [task_id for (task_id,) in db.execute("SELECT id FROM sent ORDER BY rowid")]

    return read


@pytest.fixture
def carry_out(program, tmp_path):
    def run(command: dict[str, Any], fault: str = "", **environ: str) -> list[dict[str, Any]] | None:
        process = program(PROGRAM, FAULT=fault, PLACE=str(tmp_path), **environ)
        out, err = process.communicate(json.dumps(command) + "\n")
        if fault:
            assert process.returncode == -9, err
            return None
        assert process.returncode == 0, err
        return json.loads(out)[0]["results"]

    return run


def retries(brain, count=3, **changes):
    return brain.command(BOOT, targets=[{"item": i, "task_id": f"t{i}"} for i in range(count)], **changes)


@pytest.mark.parametrize("journal", ["journal.db", "of-another-host.db"])
@pytest.mark.parametrize("fault", POINTS)
def test_a_retry_cut_off_at_any_point_takes_effect_exactly_once_whoever_is_given_it_next(
    carry_out, brain, sent, fault, journal
):
    command = retries(brain)
    carry_out(command, fault)
    results = carry_out(command | {"fence": 2}, JOURNAL=journal)
    assert [result["outcome"] for result in results] == ["done"] * 3
    assert len(sent()) == len(set(sent())) == 3
    assert sorted(result["new_task_id"] for result in results) == sorted(sent())


@pytest.mark.parametrize("cut", [3, 250, 499])
def test_of_many_targets_only_the_one_that_was_cut_off_is_asked_about(carry_out, brain, sent, cut):
    """Here the broker cannot tell: that one is unknown, and not one of the others."""
    command = retries(brain, 500)
    carry_out(command, f"after the act t{cut}")
    results = carry_out(command | {"fence": 2}, KNOWS="0")
    assert [result["item"] for result in results if result["outcome"] != "done"] == [cut]
    assert results[cut]["outcome"] == "unknown"
    assert "look for the task" in results[cut]["detail"]
    assert len(sent()) == len(set(sent())) == 500


def test_where_another_host_may_have_acted_and_nobody_can_tell_nothing_is_repeated(carry_out, brain, sent):
    command = retries(brain)
    carry_out(command, "after the act t1")
    results = carry_out(command | {"fence": 2}, JOURNAL="of-another-host.db", KNOWS="0")
    assert [result["outcome"] for result in results] == ["unknown"] * 3
    assert len(sent()) == 2


@pytest.mark.parametrize(
    ("full", "journal", "known"), [("before started", "journal.db", 0), ("after started", "of-another.db", 1)]
)
def test_what_may_have_been_done_before_the_disk_was_full_is_not_answered_as_refused(
    carry_out, brain, sent, full, journal, known
):
    """Of what is refused, people ask again. Once there is room, what is known is answered."""
    command = retries(brain)
    carry_out(command, "after the act t1")
    results = carry_out(command | {"fence": 2}, FULL=full, JOURNAL=journal)
    assert [result["outcome"] for result in results] == ["done"] * known + ["unknown"] * (3 - known)
    assert all("cannot write its journal" in result["detail"] for result in results[known:])
    assert len(sent()) == 2
    assert [result["outcome"] for result in carry_out(command | {"fence": 3})] == ["done"] * 3
    assert len(sent()) == len(set(sent())) == 3


def test_what_nobody_was_given_before_is_refused_while_the_disk_is_full(carry_out, brain, sent):
    results = carry_out(retries(brain), FULL="before started")
    assert [result["outcome"] for result in results] == ["refused"] * 3
    assert sent() == []


def test_what_was_done_while_the_disk_became_full_is_answered_though_it_cannot_be_kept(carry_out, brain, sent):
    results = carry_out(retries(brain), FULL="after the act")
    assert [result["outcome"] for result in results] == ["done", "refused", "refused"]
    assert len(sent()) == 1


def test_who_is_overtaken_by_another_worker_of_the_host_stops(brain, tmp_path):
    """The lease had run out, but its holder had not ended."""
    command, journal = retries(brain), Journal(tmp_path / "journal.db")
    slow = Slow(journal, command)
    Executor(journal, {"toy": slow}, AllowList()).carry_out(command)
    assert slow.done == ["t0"]
    assert journal.unsent() == []


def test_who_comes_with_an_older_lease_than_another_worker_of_the_host_leaves_it_alone(brain, tmp_path):
    command, journal = retries(brain), Journal(tmp_path / "journal.db")
    toy = Traced(journal)
    journal.enter(BOOT)
    for fence in (2, 1):
        Executor(journal, {"toy": toy}, AllowList()).carry_out(command | {"fence": fence, "held_by": [BOOT]})
    assert toy.seen.count("ACT") == 3
    assert [answer["fence"] for answer in journal.unsent()] == [2]


def test_what_another_host_may_have_done_is_not_forgotten_when_this_one_is_killed_over_it_too(carry_out, brain, sent):
    command = retries(brain)
    carry_out(command, "after the act t1")
    carry_out(command | {"fence": 2}, "after started", JOURNAL="of-another.db", KNOWS="0")
    results = carry_out(command | {"fence": 3}, JOURNAL="of-another.db", KNOWS="0")
    assert [result["outcome"] for result in results] == ["unknown"] * 3
    assert len(sent()) == 2


def test_what_may_happen_twice_is_carried_out_after_all(carry_out, brain):
    command = brain.command(BOOT, verb="pause", targets=[{"item": 1, "task_id": "", "queue": "q"}])
    carry_out(command, "before the act")
    assert carry_out(command | {"fence": 2})[0]["outcome"] == "done"


@pytest.mark.parametrize("fault", ["before the act", "after the act"])
def test_what_must_not_happen_twice_is_not_tried_again(carry_out, brain, sent, fault):
    command = brain.command(BOOT, verb="restart")
    carry_out(command, fault)
    before = sent()
    results = carry_out(command | {"fence": 2})
    assert results[0]["outcome"] == "unknown"
    assert "nobody knows" in results[0]["detail"]
    assert sent() == before


@pytest.mark.parametrize(("verb", "synced"), [("purge", True), ("retry", False)])
def test_what_must_not_happen_twice_is_on_the_disk_as_begun_before_it_happens(brain, tmp_path, verb, synced):
    """Else, after a loss of power, it would not count as begun. Of a retry the broker is asked; so it costs no sync."""
    journal = Journal(tmp_path / "journal.db")
    toy = Traced(journal)
    target = {"item": 1, "task_id": "t1", "queue": "q"}
    Executor(journal, {"toy": toy}, AllowList(["purge"])).carry_out(brain.command(BOOT, verb=verb, targets=[target]))
    before = toy.seen[: toy.seen.index("ACT")]
    begun = next(at for at, statement in enumerate(before) if "INTO begun" in statement)
    assert any(statement == "COMMIT" for statement in before[begun:])
    modes = [statement for statement in before[:begun] if "synchronous" in statement]
    assert (modes[-1] == "PRAGMA synchronous=FULL") is synced


def test_what_was_not_begun_is_carried_out_even_if_it_must_not_happen_twice(carry_out, brain, sent):
    command = brain.command(BOOT, verb="restart")
    carry_out(command, "after started")
    assert carry_out(command | {"fence": 2})[0]["outcome"] == "done"
    assert len(sent()) == 1


def test_a_command_that_kills_its_agent_three_times_is_set_aside(carry_out, brain):
    command = brain.command(BOOT)
    for fence in range(3):
        carry_out(command | {"fence": fence}, "after started")
    assert carry_out(command | {"fence": 4})[0]["outcome"] == "set_aside"
