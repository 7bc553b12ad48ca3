"""taskiq over a stream in Redis, which gives a message back that no worker has acknowledged."""

from __future__ import annotations

import pytest
from own_suite import LACKS, BrokerSuite
from taskiq_rig import TaskiqRig
from z4j_core.engine import Target
from z4j_core.testing.lives import LivesSuite
from z4j_core.testing.queues import QueuesSuite
from z4j_core.testing.tasks import TasksSuite
from z4j_core.wire import Outcome, State
from z4j_taskiq import TaskiqEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with TaskiqRig(tmp_path_factory.mktemp("rig"), broker="stream") as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestStream(LivesSuite, QueuesSuite, BrokerSuite):
    engine_class = TaskiqEngine
    lacks = LACKS

    # The list has shown that these work; what they go through is the same for both.
    test_a_pause_outlives_a_restart_of_the_worker = None
    test_the_store_knows_a_task_that_waits = None
    test_a_paused_queue_waits_and_a_resumed_one_runs = None
    test_a_task_that_runs_out_of_attempts = None

    test_a_waiting_task_that_is_cancelled_never_runs = TasksSuite.test_a_waiting_task_that_is_cancelled_never_runs
    test_a_running_task_that_is_cancelled_stops = TasksSuite.test_a_running_task_that_is_cancelled_stops

    def test_a_cancelled_task_is_acknowledged(self, rig):
        with self.paused(rig, 20):
            before = self.facts(rig)["in_flight"]
            rig.records.ask("cancel", Target("to-be-dropped", "cancel-20", 1))
            rig.send_as("to-be-dropped", "count", "to-be-dropped")
        self.becomes(rig, "to-be-dropped", State.CANCELLED)
        assert self.facts(rig)["in_flight"] <= before
        assert not (rig.folder / "to-be-dropped").exists()

    def test_where_another_group_reads_the_stream_nothing_is_deleted_from_it(self, rig):
        rig.redis("xgroup_create", "shared", "others", id="0", mkstream=True)
        rig.redis("xgroup_create", "shared", "taskiq", id="0")
        task_id = rig.send("count", "shared", queue="shared")
        answer = rig.records.ask("cancel", Target(task_id, "cancel-21", 1, queue="shared"))
        assert answer.outcome == Outcome.REQUESTED
        answer = rig.records.ask("purge", Target(command="purge-21", item=1, queue="shared"))
        assert answer.detail.startswith("1 ")
        assert rig.records.read("peek", "shared", 10) == []
        assert rig.redis("xlen", "shared") == 1
        task_id = rig.send("count", "shared", queue="shared")
        answer = rig.records.ask("move", Target(task_id, "move-21", 1, queue="shared"), queue="elsewhere")
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail
        assert (rig.redis("xlen", "shared"), rig.redis("xlen", "elsewhere")) == (2, 0)
        rig.state.delete(f"taskiq.cancel.{task_id}")

    def test_what_waits_is_counted_where_messages_were_deleted(self, rig):
        with self.paused(rig, 22):
            sent = [rig.send("count", "counted") for _ in range(4)]
            before = self.facts(rig)
            assert rig.records.ask("cancel", Target(sent[1], "cancel-22", 1)).outcome == Outcome.DONE
            after = self.facts(rig)
            assert (after["depth"], after["exact"]) == (before["depth"] - 1, True)
            assert after["oldest"] > 10**15
        for task_id in (sent[0], *sent[2:]):
            self.becomes(rig, task_id, State.SUCCEEDED)
