"""Huey passes the suite that every engine passes, with workers that are processes, over SQLite."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from huey_rig import HueyRig
from z4j_core.engine import Target
from z4j_core.policy import Mode
from z4j_core.testing.lives import LivesSuite
from z4j_core.testing.recording import RecordingHost, wait_for
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

    def test_a_killed_worker_leaves_no_run_behind(self, rig):
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        wait_for(lambda: self._running(rig) == [], what="nothing to run")
        wait_for(lambda: self._entries(rig) == {}, what="its entry to go")
        rig.restart()

    def test_what_another_consumer_wrote_is_neither_believed_nor_thrown_away(self, rig):
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        written = self._entries(rig)
        assert len(written) == 1
        engine = rig.engine()
        engine.install(RecordingHost(rig.folder, Mode.REDACT))
        try:
            rig.huey.create_consumer(workers=1, worker_type="process", periodic=False)
            assert engine.runs() == []
        finally:
            engine.uninstall()
        assert self._entries(rig) == written
        assert self._running(rig) == [task_id]
        assert rig.records.ask("cancel", Target(task_id, "cancel-other", 1)).outcome == Outcome.REQUESTED
        self.becomes(rig, task_id, State.CANCELLED)

    def test_no_process_but_a_worker_of_this_consumer_gets_a_signal(self, rig):
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        [(key, blob)] = self._entries(rig).items()
        stranger = subprocess.Popen(["/bin/sleep", "60"])
        try:
            run = json.loads(blob)
            ghost = json.dumps({**run, "task_id": "ghost", "pid": stranger.pid}).encode()
            state = rig.recorder().state
            state.put(key.removesuffix(str(run["pid"])) + str(stranger.pid), ghost)
            rig.records.ask("cancel", Target("ghost", "cancel-ghost", 1))
            time.sleep(0.5)
            assert stranger.poll() is None
            assert self._running(rig) == [task_id]
            assert self._entries(rig) == {key: blob}
        finally:
            stranger.kill()
            stranger.wait()
        rig.records.ask("cancel", Target(task_id, "cancel-true", 1))
        self.becomes(rig, task_id, State.CANCELLED)

    def test_a_signal_that_was_meant_for_an_earlier_task_leaves_this_one_alone(self, rig):
        task_id = rig.send("slow", 3)
        self.becomes(rig, task_id, State.STARTED)
        [event] = rig.records.events(task_id, "task.started")
        os.kill(event["pid"], signal.SIGUSR1)
        self.becomes(rig, task_id, State.SUCCEEDED)

    def _running(self, rig):
        [facts] = rig.records.read("worker_facts")
        return [run["task_id"] for run in facts["running"]]

    def _entries(self, rig):
        return dict(rig.recorder().state.items("huey.run."))
