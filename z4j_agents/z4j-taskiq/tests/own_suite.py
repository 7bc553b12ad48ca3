"""What taskiq's tasks go through beside what every engine's do, over whichever broker."""

from __future__ import annotations

import pickle
import time

from z4j_core.engine import Target
from z4j_core.testing.engines import proves
from z4j_core.testing.recording import wait_for
from z4j_core.testing.rig import Suite
from z4j_core.wire import Outcome, State

LACKS = {
    "expires": "a message of taskiq does not expire",
    "delay": "a delay is its scheduler's business: the brokers over Redis know none",
    "told_of_death": "a killed worker tells nothing",
}


class Opens:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def _all(told, sent):
    """What was told, once it is of everything that was sent."""
    return told if len(told) == len(sent) else None


class BrokerSuite(Suite):
    """What depends on the broker."""

    @proves("move")
    def test_a_waiting_task_moves_to_another_queue(self, rig):
        task_id = rig.send("count", "moved", queue="idle")
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert row["queue"] == rig.queue
        assert list(rig.records.read("peek", "idle", 10)) == []
        assert len((rig.folder / "moved").read_text().splitlines()) == 1

    @proves("move", "purge")
    def test_what_is_no_queue_is_neither_moved_to_nor_purged(self, rig):
        rig.redis("set", "no-queue", "kept")
        task_id = rig.send("count", "stays", queue="idle")
        answer = rig.records.ask("move", Target(task_id, "move-3", 1, queue="idle"), queue="no-queue")
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail
        assert [event["task_id"] for event in rig.records.read("peek", "idle", 10)] == [task_id]
        answer = rig.records.ask("purge", Target(command="purge-10", item=1, queue="no-queue"))
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail
        assert rig.redis("get", "no-queue") == b"kept"
        assert rig.records.ask("purge", Target(command="purge-11", item=1, queue="idle")).detail.startswith("1 ")
        answer = rig.records.ask("purge", Target(command="purge-12", item=1, queue="never-used"))
        assert answer.outcome == Outcome.NOT_FOUND, answer.detail

    @proves("cancel", "retry")
    def test_a_task_that_was_cancelled_before_it_ran_can_be_retried(self, rig):
        task_id = rig.send("count", "second-thoughts", queue="idle")
        answer = rig.records.ask("cancel", Target(task_id, "cancel-4", 1, queue="idle"))
        assert answer.outcome == Outcome.DONE, answer.detail
        assert self.row(rig, task_id)["state"] == State.CANCELLED
        assert rig.records.read("peek", "idle", 10) == []
        answer = rig.records.ask("retry", Target(task_id, "retry-1", 1))
        rig.records.ask("move", Target(answer.new_task_id, "move-2", 1, queue="idle"), queue=rig.queue)
        self.becomes(rig, answer.new_task_id, State.SUCCEEDED)
        assert len((rig.folder / "second-thoughts").read_text().splitlines()) == 1

    @proves("hello")
    def test_a_hello_can_be_sent_to_a_queue(self, rig):
        target = Target(command="hello-2", item=1)
        answer = rig.records.ask("hello", target, queue="idle")
        assert [event["task_id"] for event in rig.records.read("peek", "idle", 10)] == [answer.new_task_id]
        answer = rig.records.ask("purge", Target(command="purge-9", item=1, queue="idle"))
        assert answer.detail.startswith("1 ")
        assert rig.records.read("peek", "idle", 10) == []


class OwnSuite(Suite):
    """What does not."""

    @proves("cancel")
    def test_a_cancelled_task_that_no_worker_has_seen_stays_cancelled_over_a_restart(self, rig):
        assert rig.records.ask("cancel", Target("sent-later", "cancel-1", 1)).outcome == Outcome.REQUESTED
        rig.restart()
        rig.send_as("sent-later", "count", "sent-later")
        row = self.becomes(rig, "sent-later", State.CANCELLED)
        assert row["started_at"] is None
        assert not (rig.folder / "sent-later").exists()
        rig.send_as("sent-later", "count", "sent-later")
        self.becomes(rig, "sent-later", State.SUCCEEDED)

    def test_a_killed_worker_is_replaced_and_what_it_ran_is_not_known_as_ended(self, rig):
        online = len(rig.records.events(kind="worker.online"))
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        wait_for(lambda: len(rig.records.events(kind="worker.online")) > online, what="another worker")
        assert rig.records.read("lookup", targets=[Target(task_id)]) == []
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)

    @proves("cancel")
    def test_a_running_task_that_would_be_tried_again_is_not_when_it_is_cancelled(self, rig):
        task_id = rig.send("stubborn", "stubborn")
        self.becomes(rig, task_id, State.STARTED)
        assert rig.records.ask("cancel", Target(task_id, "cancel-2", 1)).outcome == Outcome.REQUESTED
        self.becomes(rig, task_id, State.CANCELLED)
        time.sleep(1)
        assert self.row(rig, task_id)["state"] == State.CANCELLED
        assert len((rig.folder / "stubborn").read_text().splitlines()) == 1
        assert rig.state.get(f"taskiq.cancel.{task_id}") is None, "nothing waits for its message any more"

    @proves("cancel")
    def test_a_function_in_a_thread_is_let_go_and_that_is_said(self, rig):
        task_id = rig.send("blocking", "let-go", "detached")
        self.becomes(rig, task_id, State.STARTED)
        answer = rig.records.ask("cancel", Target(task_id, "cancel-3", 1))
        assert answer.outcome == Outcome.REQUESTED
        assert "detached" in answer.detail
        self.becomes(rig, task_id, State.CANCELLED)
        (rig.folder / "let-go").touch()
        wait_for((rig.folder / "detached").exists, what="the thread's end")

    @proves("cancel")
    def test_what_was_cancelled_by_another_process_of_the_machine_stops_here(self, rig):
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        rig.state.put(f"taskiq.cancel.{task_id}", str(time.time()).encode())
        self.becomes(rig, task_id, State.CANCELLED)
        wait_for(lambda: rig.state.get(f"taskiq.cancel.{task_id}") is None, what="the mark to go")

    @proves("retry")
    def test_a_retry_of_a_task_that_ran_out_of_attempts_has_all_of_them_again(self, rig):
        first = rig.send("flaky", 9)
        self.becomes(rig, first, State.FAILED)
        answer = rig.records.ask("retry", Target(first, "retry-2", 1))
        row = self.becomes(rig, answer.new_task_id, State.FAILED)
        assert [event["attempt"] for event in rig.records.events(answer.new_task_id, "task.retrying")] == [0, 1]
        assert (row["attempt"], row["max_attempts"]) == (2, 3)

    def test_what_ends_in_another_way_is_told_as_what_it_is(self, rig):
        sent = {name: rig.send(name) for name in ("too_long", "reject", "silent", "once_more")}
        assert self.becomes(rig, sent["too_long"], State.FAILED)["error_reason"] == "timeout"
        self.becomes(rig, sent["reject"], State.REJECTED)
        self.becomes(rig, sent["silent"], State.SKIPPED)
        row = self.becomes(rig, sent["once_more"], State.SUCCEEDED)
        assert row["attempt"] == 2

    @proves("lookup")
    def test_the_store_says_of_each_end_what_it_was(self, rig):
        sent = {name: rig.send(name) for name in ("reject", "too_long")}
        sent["flaky"] = rig.send("flaky", 9)
        for task_id in sent.values():
            self.becomes(rig, task_id, State.REJECTED, State.FAILED)
        targets = list(map(Target, sent.values()))
        found = wait_for(lambda: _all(rig.records.read("lookup", targets=targets), sent), what="the results")
        told = {event["task_id"]: event for event in found}
        assert told[sent["reject"]]["kind"] == "task.rejected"
        assert told[sent["too_long"]]["kind"] == "task.failed"
        assert told[sent["flaky"]]["attempt"] == 2
        assert told[sent["flaky"]]["error"]["type"] == "KeyError"

    @proves("lookup", "cancel")
    def test_a_key_that_is_nobodys_result_is_not_opened(self, rig):
        opened = rig.folder / "opened"
        rig.redis("set", "somebodys-session", pickle.dumps(Opens(str(opened))))
        assert rig.records.read("lookup", targets=[Target("somebodys-session")]) == []
        assert not opened.exists(), "unpickled where the worker runs"
        answer = rig.records.ask("cancel", Target("somebodys-session", "cancel-5", 1))
        assert answer.outcome == Outcome.REQUESTED, "and whether the key is there is not told either"
        rig.state.delete("taskiq.cancel.somebodys-session")

    @proves("lookup")
    def test_a_task_with_an_id_of_the_users_own_is_looked_up_where_it_is_known(self, rig):
        rig.send_as("order-17", "ok", 1)
        self.becomes(rig, "order-17", State.SUCCEEDED)
        told = wait_for(lambda: rig.records.read("lookup", targets=[Target("order-17")]), what="the result")
        assert [event["kind"] for event in told] == ["task.succeeded"]

    @proves("worker")
    def test_a_worker_tells_what_it_runs_now(self, rig):
        with self.held(rig, 1) as (task_id,):
            facts = rig.records.read("worker_facts")[0]
            assert [one["task_id"] for one in facts["running"]] == [task_id]
            assert facts["running"][0]["name"] == "shop:hold"
        self.becomes(rig, task_id, State.SUCCEEDED)
        wait_for(lambda: not rig.records.read("worker_facts")[0]["running"])

    @proves("pause")
    def test_a_pause_of_another_queue_is_refused(self, rig):
        answer = rig.records.ask("pause", Target(command="pause-9", item=1, queue="another"))
        assert answer.outcome == Outcome.NOT_FOUND
