"""Celery's queues in Redis: priorities, what workers hold, a prefix of one's own; what its stores know of a task."""

from __future__ import annotations

import time

import pytest
from celery_rig import CeleryRig
from z4j_celery.redis import RedisQueues
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State

suite = EngineSuite()
PREFIX = {"global_keyprefix": "shop:", "queue_order_strategy": "priority"}


@pytest.fixture(scope="module", params=[{}, {"broker_transport_options": PREFIX}], ids=["plain", "prefixed"])
def rig(request, tmp_path_factory):
    with CeleryRig(tmp_path_factory.mktemp("rig"), **request.param) as rig:
        yield rig


def facts(rig, queue):
    """Of a queue that the worker knows of, once something was sent to it by name."""
    return next(one for one in rig.records.read("queues") if one["name"] == queue)


def test_what_waits_is_listed_in_the_order_in_which_it_would_be_taken(rig):
    with suite_paused(rig):
        sent = {priority: rig.send("count", "order", priority=priority) for priority in (9, 0, 3, 6)}
        again = rig.send("count", "order", priority=0)
        listed = [event["task_id"] for event in rig.records.read("peek", rig.queue, 10)]
        assert listed == [sent[0], again, sent[3], sent[6], sent[9]]
        assert [event["task_id"] for event in rig.records.read("peek", rig.queue, 2)] == [sent[0], again]
        assert [event["priority"] for event in rig.records.read("peek", rig.queue, 9)] == [0, 0, 3, 6, 9]


def test_what_workers_hold_is_told_apart_by_what_it_waits_for(rig):
    wait_for(lambda: facts(rig, rig.queue)["in_flight"] == 0, what="an idle worker")
    before = facts(rig, rig.queue)["delayed"]
    later = rig.send("ok", 1, delay=60)
    suite.becomes(rig, later, State.SCHEDULED)

    def counted():
        told = facts(rig, rig.queue)
        return told["in_flight"], told["delayed"] - before, told["depth"]

    with suite.held(rig, 2, task="hold_late") as held:
        wait_for(lambda: counted() == (2, 1, 0), what="two that are held, one that waits for its time, and no other")
    for task_id in held:
        suite.becomes(rig, task_id, State.SUCCEEDED)
    rig.records.ask("cancel", Target(later, "later", 1))


def test_a_retry_is_sent_once_whoever_else_sends_it_and_with_its_priority(rig):
    suite.test_a_retry_that_two_carry_out_without_knowing_of_each_other_runs_once(rig)
    first = rig.send("count", "urgent", priority=6)
    suite.becomes(rig, first, State.SUCCEEDED)
    target = Target(first, "urgent-1", 1)
    with suite_paused(rig):
        for _ in range(2):
            rig.records.ask("retry", target)
        listed = [
            event for event in rig.records.read("peek", rig.queue, 10) if event["task_id"] == target.new_task_id()
        ]
        assert [event["priority"] for event in listed] == [6]


def test_each_task_that_is_thrown_away_is_told(rig):
    with suite_paused(rig):
        sent = [rig.send("count", "thrown", priority=priority) for priority in (0, 6)]
        answer = rig.records.ask("purge", Target(command="purge-1", item=1, queue=rig.queue))
        assert answer.outcome == Outcome.DONE
        assert answer.detail.startswith("2 ")
        for task_id in sent:
            suite.becomes(rig, task_id, State.CANCELLED)
        assert rig.records.read("peek", rig.queue, 10) == []


def test_a_task_is_moved_with_its_priority_and_what_moves_it_back_if_its_worker_dies(rig):
    with suite_paused(rig):
        task_id = rig.send("late", 0, queue="aside", priority=6)
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue="aside"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        (waiting,) = rig.records.read("peek", rig.queue, 10)
        assert (waiting["task_id"], waiting["priority"], waiting["queue"]) == (task_id, 6, rig.queue)
        assert rig.records.read("peek", "aside", 10) == []
    assert suite.becomes(rig, task_id, State.SUCCEEDED)["queue"] == rig.queue


def redis(rig, command, *args):
    with rig.app.connection_for_write() as connection:
        return RedisQueues(connection)._call(command, *args)


def test_what_is_no_queue_is_neither_moved_to_nor_purged(rig):
    redis(rig, "SET", "no-queue", "kept")
    task_id = rig.send("count", "stays", queue="aside")
    answer = rig.records.ask("move", Target(task_id, "move-2", 1, queue="aside"), queue="no-queue")
    assert answer.outcome == Outcome.NOT_FOUND, answer.detail
    assert [event["task_id"] for event in rig.records.read("peek", "aside", 10)] == [task_id]
    answer = rig.records.ask("purge", Target(command="purge-2", item=1, queue="no-queue"))
    assert answer.outcome == Outcome.NOT_FOUND, answer.detail
    assert redis(rig, "GET", "no-queue") == b"kept"
    answer = rig.records.ask("purge", Target(command="purge-3", item=1, queue="aside"))
    assert (answer.outcome, answer.detail[:2]) == (Outcome.DONE, "1 ")
    assert rig.records.read("peek", "aside", 10) == []


def test_the_stores_know_how_a_task_failed_and_that_one_was_revoked(rig):
    failed, revoked = rig.send("fail", 1), rig.send("slow", 60)
    suite.becomes(rig, failed, State.FAILED)
    suite.becomes(rig, revoked, State.STARTED)
    rig.records.ask("cancel", Target(revoked, "revoke-1", 1))
    (told,) = wait_for(lambda: rig.records.read("lookup", targets=[Target(failed)]), what="the backend")
    assert (told["kind"], told["error"]["type"], told["error"]["message"]) == ("task.failed", "ValueError", "")
    (told,) = wait_for(lambda: ended(rig, revoked), what="the backend")
    assert told["kind"] == "task.cancelled"


def test_a_task_counts_as_started_only_while_a_worker_has_it(rig):
    waiting = rig.send("ok", 1, delay=60)
    suite.becomes(rig, waiting, State.SCHEDULED)
    with suite.held(rig, 1) as (running,):
        told = rig.records.read("lookup", targets=[Target(running), Target(waiting), Target("never-seen")])
    kinds = {event["task_id"]: event["kind"] for event in told}
    assert kinds.keys() == {running, waiting}
    assert kinds[running] == "task.started"
    # Older releases of Celery do not answer for what waits for its time; its message is still in Redis.
    assert kinds[waiting] in ("task.received", "task.enqueued")
    rig.records.ask("cancel", Target(waiting, "revoke-2", 1))


def test_what_a_killed_worker_had_taken_still_waits_in_redis(tmp_path):
    with CeleryRig(tmp_path) as rig:
        busy = [rig.send("slow", 60) for _ in range(2)]
        for task_id in busy:
            suite.becomes(rig, task_id, State.STARTED)
        prefetched = rig.send("count", "prefetched")
        suite.becomes(rig, prefetched, State.RECEIVED)
        rig.kill()
        rig.start()
        (told,) = rig.records.read("lookup", targets=[Target(busy[0]), Target(prefetched)])
        assert (told["task_id"], told["kind"], told["queue"]) == (prefetched, "task.enqueued", rig.queue)


def ended(rig, task_id):
    return [event for event in rig.records.read("lookup", targets=[Target(task_id)]) if event["kind"] in ENDS]


ENDS = ("task.cancelled", "task.failed", "task.succeeded")


class suite_paused:  # noqa: N801 - reads as a statement
    """The worker takes nothing, and holds nothing that it has not begun."""

    def __init__(self, rig):
        self.rig = rig

    def ask(self, verb):
        answer = self.rig.records.ask(verb, Target(command=f"{verb}-{time.monotonic()}", item=1, queue=self.rig.queue))
        assert answer.outcome == Outcome.DONE, answer.detail

    def __enter__(self):
        self.ask("pause")
        flush = self.rig.send_unseen("ok", 1)  # a read of the list that was under way may still bring it
        time.sleep(1.5)
        self.rig.records.ask("purge", Target(command=flush, item=1, queue=self.rig.queue))

    def __exit__(self, *_):
        self.ask("resume")
