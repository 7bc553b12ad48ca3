"""Dramatiq over RabbitMQ: the whole suite, but for the look at what waits, which RabbitMQ does not allow."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from dramatiq_rig import DramatiqRig
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State
from z4j_dramatiq import DramatiqEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DramatiqRig(tmp_path_factory.mktemp("rig"), amqp=True) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    rig.ensure()


class TestRabbitMQ(EngineSuite):
    engine_class = DramatiqEngine
    failed = State.DEAD_LETTERED
    can_tell = False
    lacks = {"told_of_death": "a killed process takes its master along, and neither says a word"}

    test_what_waits_is_counted_and_listed_whoever_sent_it = None
    # Over Redis each verb has its test; here some have none.
    test_every_verb_and_read_it_defines_is_proved_by_a_test = None

    def test_a_process_that_only_sends_can_send_a_hello(self, rig):
        answer = rig.engine().act("hello", Target(command="hello-0", item=1), {"queue": rig.queue})
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, answer.new_task_id, State.SUCCEEDED)
        assert rig.engine().obstacle("cancel")

    def test_a_look_at_what_waits_is_not_offered_and_the_reason_is_given(self, rig):
        assert "peek" not in rig.engine().capabilities()
        assert "RabbitMQ" in rig.engine().obstacle("peek")

    def test_what_waits_is_counted_and_purged_and_dead_letters_stay(self, rig):
        self.becomes(rig, rig.send("fail", 1), self.failed)
        with self.paused(rig, 20):
            dead, depth = (self.facts(rig)[name] for name in ("dead", "depth"))
            sent = [rig.send("count", "held") for _ in range(3)]
            wait_for(lambda: self.facts(rig)["depth"] == depth + 3, what="three more")
            answer = rig.records.ask("purge", Target(command="purge-20", item=1, queue=rig.queue))
            assert answer.outcome == Outcome.DONE
            assert (self.facts(rig)["depth"], self.facts(rig)["dead"]) == (0, dead)
            for task_id in sent:
                self.becomes(rig, task_id, State.CANCELLED)
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        assert not (rig.folder / "held").exists()

    def test_what_runs_while_its_queue_is_paused_runs_once(self, rig):
        """RabbitMQ hands out again what a closed channel has not acknowledged."""
        with ExitStack() as paused:
            with self.held(rig, rig.slots) as running:
                fetched = rig.send("count", "fetched")
                wait_for(lambda: self.facts(rig)["depth"] == 0, what="the worker to fetch it")
                paused.enter_context(self.paused(rig, 21))
            for task_id in running:
                self.becomes(rig, task_id, State.SUCCEEDED)
            wait_for((rig.folder / "fetched").exists, what="what was fetched already")
            time.sleep(2)
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        time.sleep(2)
        for task_id in [*running, fetched]:
            assert len(rig.records.events(task_id, "task.started")) == 1
        assert "connection error" not in (rig.folder / "worker.log").read_text()

    def test_a_queue_that_is_never_empty_can_be_paused(self, rig):
        for number in range(400):
            rig.send_unseen("nap", number)
        answer = rig.records.ask("pause", Target(command="pause-23", item=1, queue=rig.queue))
        assert answer.outcome == Outcome.DONE
        time.sleep(2)
        depth = self.facts(rig)["depth"]
        assert depth > 50
        time.sleep(2)
        assert self.facts(rig)["depth"] == depth
        rig.records.ask("purge", Target(command="purge-23", item=1, queue=rig.queue))
        rig.records.ask("resume", Target(command="resume-23", item=1, queue=rig.queue))
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)

    def test_a_dead_letter_among_others_goes_back_alone(self, rig):
        letters = [rig.send("fail", number) for number in range(3)]
        for task_id in letters:
            self.becomes(rig, task_id, self.failed)
        wait_for(lambda: self.facts(rig)["dead"] >= 3, what="three dead letters")
        before = self.facts(rig)["dead"]
        answer = rig.records.ask("requeue", Target(letters[1], "requeue-20", 1, queue=rig.queue))
        assert answer.outcome == Outcome.DONE, answer.detail
        wait_for(lambda: len(rig.records.events(letters[1], "task.started")) == 2, what="another run")
        wait_for(lambda: self.facts(rig)["dead"] == before, what="its return")
        assert len(rig.records.events(letters[0], "task.started")) == 1

    def test_a_waiting_message_moves_to_another_queue(self, rig):
        with self.paused(rig, 22):
            first, task_id = rig.send("count", "stays"), rig.send("count", "moved")
            answer = rig.records.ask("move", Target(task_id, "move-20", 1, queue=rig.queue), queue="elsewhere")
            assert answer.outcome == Outcome.DONE, answer.detail
        assert self.row(rig, task_id)["queue"] == "elsewhere"
        assert rig.broker.get_queue_message_counts("elsewhere")[0] == 1
        self.becomes(rig, first, State.SUCCEEDED)
        assert not (rig.folder / "moved").exists()

    def test_a_dead_letter_is_its_own_original(self, rig):
        task_id = rig.send_unseen("fail", 5)
        self.becomes(rig, task_id, self.failed)
        wait_for(lambda: self.facts(rig)["dead"] >= 1, what="the dead letter")
        for path in (rig.folder / "originals").glob(f"*{task_id}*"):
            path.unlink()
        answer = rig.records.ask("retry", Target(task_id, "retry-20", 1, queue=rig.queue))
        assert answer.outcome == Outcome.DONE, answer.detail
        assert self.becomes(rig, answer.new_task_id, self.failed)["args"]
