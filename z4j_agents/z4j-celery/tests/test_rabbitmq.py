"""Celery over RabbitMQ: every life of a task, the verbs on it, and its queues: counted, looked into, held, emptied."""

from __future__ import annotations

import pytest
from celery_rig import CeleryRig
from kombu import Queue
from z4j_celery import CeleryEngine
from z4j_core.engine import Target
from z4j_core.testing.cuts import CutsSuite
from z4j_core.testing.lives import LivesSuite
from z4j_core.testing.recording import wait_for
from z4j_core.testing.tasks import TasksSuite
from z4j_core.wire import Outcome, State


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CeleryRig(tmp_path_factory.mktemp("rig"), amqp=True) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    rig.ensure()


class TestRabbitMQ(LivesSuite, TasksSuite, CutsSuite):
    engine_class = CeleryEngine
    can_tell = False

    def test_who_consumes_is_counted_and_nothing_is_taken_from_them(self, rig):
        assert self.facts(rig)["consumers"] == 1
        with self.held(rig, 12, begun=2) as busy:
            wait_for(lambda: self.facts(rig)["depth"] > 0, what="messages that nobody has taken")
            assert rig.records.read("peek", rig.queue, 100) == []
            for task_id in busy:
                rig.records.ask("cancel", Target(task_id, f"end-{task_id}", 1))
            for task_id in busy[:2]:
                self.becomes(rig, task_id, State.CANCELLED)
        for task_id in busy:
            self.becomes(rig, task_id, State.CANCELLED)

    def test_a_waiting_task_moves_to_another_queue_and_leaves_the_others_where_they_are(self, rig):
        declare(rig, "idle")
        sent = [rig.send("count", f"idle-{number}", queue="idle") for number in range(3)]
        target = Target(sent[1], "move-1", 1, queue="idle")
        assert rig.records.ask("move", target, queue="no-such-queue").outcome == Outcome.NOT_FOUND
        answer = rig.records.ask("move", target, queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, sent[1], State.SUCCEEDED)
        assert row["queue"] == rig.queue
        left = [event["task_id"] for event in rig.records.read("peek", "idle", 10)]
        assert left == [sent[0], sent[2]]

    def test_what_a_policy_dead_lettered_can_be_moved_back(self, rig):
        """Celery has no dead letters of its own, but RabbitMQ has."""
        declare(rig, "graves")
        short = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "graves", "x-message-ttl": 100}
        declare(rig, "short", queue_arguments=short)
        task_id = rig.send("count", "risen", queue="short")
        wait_for(lambda: rig.records.read("peek", "graves", 10), what="a dead letter")
        answer = rig.records.ask("move", Target(task_id, "move-2", 1, queue="graves"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, task_id, State.SUCCEEDED)

    def test_nobody_looks_into_a_quorum_queue_twice(self, rig):
        """It counts each look as a failed delivery, and throws away what failed too often."""
        declare(rig, "quorum", queue_arguments={"x-queue-type": "quorum"}, durable=True)
        rig.send("count", "quorum", queue="quorum")
        wait_for(lambda: depth(rig, "quorum") == 1, what="the message")
        for _ in range(5):
            rig.records.read("peek", "quorum", 10)
        with rig.app.connection_for_read() as connection:
            message = connection.default_channel.basic_get("quorum", no_ack=True)
        assert message.headers.get("x-delivery-count", 0) <= 2


def declare(rig, name, **options):
    """Not by way of the app, whose settings would have it."""
    with rig.app.connection_for_write() as connection:
        queue = Queue(name, routing_key=name, **options)(connection.default_channel)
        queue.declare()
    rig.app.amqp.queues.add(Queue(name, exchange="", routing_key=name, no_declare=True))


def depth(rig, name):
    with rig.app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(name, passive=True).message_count
