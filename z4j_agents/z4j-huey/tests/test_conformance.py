"""Huey passes the suite that every engine passes: threads over Redis. Processes over SQLite: test_processes.py."""

from __future__ import annotations

import pytest
from huey_rig import HueyRig
from z4j_core.engine import Target
from z4j_core.policy import Mode
from z4j_core.testing.engines import EngineSuite
from z4j_core.testing.recording import RecordingHost, wait_for
from z4j_core.wire import Outcome, State
from z4j_huey import HueyEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with HueyRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestThreads(EngineSuite):
    engine_class = HueyEngine
    lacks = {
        "unknown_task": "a consumer logs a task that it does not know, and drops it",
        "told_of_death": "a killed process tells nothing; the task is gone",
    }
    early = 1.0  # Huey's schedule counts whole seconds

    def test_a_task_that_is_killed_is_not_known_to_the_store(self, rig):
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        wait_for(lambda: rig.process.poll() is not None, what="the consumer's end")
        rig.ensure()
        assert rig.records.read("lookup", targets=[Target(task_id)]) == []

    def test_a_process_that_only_sends_can_send_a_hello(self, rig):
        engine = rig.engine()
        engine.install(RecordingHost(rig.folder, Mode.REDACT))
        try:
            answer = engine.act("hello", Target(command="hello-0", item=1), {})
        finally:
            engine.uninstall()
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, answer.new_task_id, State.SUCCEEDED)
