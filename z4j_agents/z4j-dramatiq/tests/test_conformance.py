"""Dramatiq passes the suite that every engine passes, over Redis. Over RabbitMQ: test_rabbitmq.py."""

from __future__ import annotations

import pytest
from dramatiq_rig import DramatiqRig
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite, proves
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State
from z4j_dramatiq import DramatiqEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DramatiqRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestDramatiq(EngineSuite):
    engine_class = DramatiqEngine
    failed = State.DEAD_LETTERED
    lacks = {"told_of_death": "a killed process takes its master along, and neither says a word"}

    def test_a_process_that_only_sends_can_send_a_hello(self, rig):
        answer = rig.engine().act("hello", Target(command="hello-0", item=1), {"queue": rig.queue})
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, answer.new_task_id, State.SUCCEEDED)
        assert rig.engine().obstacle("cancel")

    def test_what_a_killed_worker_had_is_still_known_to_redis(self, rig):
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        wait_for(lambda: rig.process.poll() is not None, what="the master's end")
        rig.ensure()
        told = rig.records.read("lookup", targets=[Target(task_id, name="die", queue="orders")])
        assert [event["kind"] for event in told] == ["task.enqueued"], "another worker takes it over after a minute"
        rig.broker.client.flushdb()

    @proves("move")
    def test_a_waiting_message_moves_to_another_queue(self, rig):
        rig.records.ask("pause", Target(command="move-0", item=1, queue=rig.queue))
        task_id = rig.send("count", "moved")
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue=rig.queue), queue="elsewhere")
        assert answer.outcome == Outcome.DONE, answer.detail
        rig.records.ask("resume", Target(command="move-2", item=1, queue=rig.queue))
        assert rig.broker.client.llen("dramatiq:elsewhere") == 1
        assert self.row(rig, task_id)["queue"] == "elsewhere"
