"""Huey passes the suite that every engine passes, with workers that are processes, over SQLite."""

from __future__ import annotations

import time

import pytest
from huey_rig import HueyRig
from z4j_core.engine import Target
from z4j_core.testing.lives import LivesSuite
from z4j_core.testing.tasks import TasksSuite
from z4j_core.wire import Outcome, State
from z4j_huey import HueyEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with HueyRig(tmp_path_factory.mktemp("rig"), kind="process", redis=False) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestProcesses(LivesSuite, TasksSuite):
    engine_class = HueyEngine
    lacks = {
        "unknown_task": "a consumer logs a task that it does not know, and drops it",
        "told_of_death": "a killed process tells nothing; the task is gone",
    }
    early = 1.0  # Huey's schedule counts whole seconds

    def test_processes_cannot_be_added_and_that_is_said(self, rig):
        for verb in ("grow", "shrink"):
            answer = rig.records.ask(verb, Target(command=f"{verb}-0", item=1))
            assert answer.outcome == Outcome.UNSUPPORTED
            assert "threads" in answer.detail

    def test_a_task_that_is_killed_is_not_known_to_the_store(self, rig):
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        assert rig.records.read("lookup", targets=[Target(task_id)]) == []
        rig.restart()

    def test_a_pause_reaches_every_process(self, rig):
        assert rig.records.ask("pause", Target(command="pause-1", item=1, queue=rig.queue)).outcome == Outcome.DONE
        task_id = rig.send("count", "paused")
        time.sleep(3)
        assert not (rig.folder / "paused").exists()
        rig.records.ask("resume", Target(command="resume-1", item=1, queue=rig.queue))
        self.becomes(rig, task_id, State.SUCCEEDED)
