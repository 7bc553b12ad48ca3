"""arq passes the suite that every engine passes: a real worker over a real broker."""

from __future__ import annotations

import pytest
from arq_rig import ArqRig
from z4j_arq import ArqEngine
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite, proves
from z4j_core.wire import Outcome, State


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with ArqRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestArq(EngineSuite):
    engine_class = ArqEngine
    lacks = {"told_of_death": "a killed worker tells nothing; arq runs the job again when its hold on it expires"}

    @proves("move", "purge")
    def test_what_is_no_queue_is_neither_moved_to_nor_purged(self, rig):
        rig.run(rig.pool.set("no-queue", "kept"))
        task_id = rig.send("count", "stays", queue="idle")
        answer = rig.records.ask("move", Target(task_id, "move-2", 1, queue="idle"), queue="no-queue")
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail
        assert task_id in [event["task_id"] for event in rig.records.read("peek", "idle", 10)]
        answer = rig.records.ask("purge", Target(command="purge-9", item=1, queue="no-queue"))
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail
        assert rig.run(rig.pool.get("no-queue")) == b"kept"
        answer = rig.records.ask("move", Target(task_id, "move-3", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, task_id, State.SUCCEEDED)

    @proves("move")
    def test_a_waiting_job_moves_to_another_queue(self, rig):
        task_id = rig.send("count", "moved", queue="idle")
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert row["queue"] == rig.queue
