"""The order of the queues, what must not go wrong beside a job, and what is told of how one ended."""

from __future__ import annotations

import signal
import threading

import pytest
import rq
import z4j_rq
import z4j_rq.worker
from rq.job import JobStatus
from rq.worker import DequeueStrategy, RoundRobinWorker
from rq_rig import RQRig
from z4j_core.engine import Target
from z4j_core.testing.recording import RecordingHost
from z4j_core.wire import Outcome


class Turning(z4j_rq.Watched, RoundRobinWorker):
    """RQ's older way to have a strategy."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RQRig(tmp_path_factory.mktemp("rig")) as rig:
        rig.stop()
        yield rig


@pytest.fixture
def queues(rig):
    rig.connection.flushdb()
    return [rq.Queue(name, connection=rig.connection) for name in "abc"]


@pytest.fixture
def recorded(rig, tmp_path):
    """A worker of this process whose adapter records; RQ's handlers of signals go with it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    worker = z4j_rq.SimpleWorker([rq.Queue("a", connection=rig.connection)], connection=rig.connection)
    worker.z4j_attach = lambda: None
    worker.z4j.install(RecordingHost(tmp_path, "redact"))
    worker.z4j.serve(worker)
    yield worker
    worker.z4j.uninstall()
    for number, handler in before.items():
        signal.signal(number, handler)


def taken(worker, count):
    """From which queues it takes its next jobs."""
    return [worker.dequeue_job_and_maintain_ttl(None)[1].name for _ in range(count)]


def round_robin(queues):
    worker = z4j_rq.SimpleWorker(queues, connection=queues[0].connection)
    worker._dequeue_strategy = DequeueStrategy.ROUND_ROBIN
    return worker


@pytest.mark.parametrize("start", [round_robin, lambda queues: Turning(queues, connection=queues[0].connection)])
def test_queues_take_turns_around_one_that_is_paused(queues, start):
    worker = start(queues)
    for queue in queues * 4:
        queue.enqueue("shop.ok", 1)
    worker.z4j.paused.add("b")
    assert taken(worker, 4) == ["a", "c", "a", "c"]
    worker.z4j.paused.clear()
    assert taken(worker, 4) == ["a", "b", "c", "a"]


def test_a_pause_that_comes_while_a_job_is_taken_does_not_cost_the_job(queues):
    worker = round_robin(queues)
    worker.z4j.paused |= set("abc")
    worker.reorder_queues(reference_queue=queues[0])
    worker.z4j.paused.clear()
    assert [queue.name for queue in worker._ordered_queues] == ["b", "c", "a"]


def test_a_random_order_stays_random_around_a_pause(queues):
    worker = z4j_rq.SimpleWorker(queues, connection=queues[0].connection)
    worker._dequeue_strategy = DequeueStrategy.RANDOM
    worker.z4j.paused.add("b")
    for queue in queues * 40:
        queue.enqueue("shop.ok", 1)
    assert set(taken(worker, 40)) == {"a", "c"}


def test_a_job_is_tried_again_whatever_goes_wrong_here(queues, recorded, monkeypatch):
    def broken(job):
        raise ConnectionError

    monkeypatch.setattr(z4j_rq.worker, "identity", broken)
    job = queues[0].enqueue("shop.again")
    recorded.work(burst=True)
    job.refresh()
    assert (job.number_of_retries, job.get_status()) == (2, "failed")


@pytest.mark.parametrize(("task", "kind"), [("chatter", "ValueError"), ("slow", "JobTimeoutException")])
def test_the_type_of_a_stored_error_is_never_a_users_word(queues, recorded, task, kind):
    job = queues[0].enqueue(f"shop.{task}", *([5] if task == "slow" else []), job_timeout=1)
    recorded.work(burst=True)
    (told,) = recorded.z4j.lookup([Target(job.id)])
    assert (told["error"]["type"], told["error"]["message"]) == (kind, "")
    assert told["error"]["reason"] == ("timeout" if task == "slow" else "exception")


def test_a_job_that_has_just_been_taken_is_not_called_waiting(queues, recorded):
    job = queues[0].enqueue("shop.ok", 1)
    queues[0].remove(job.id)
    begun = threading.Timer(0.5, job.set_status, [JobStatus.FINISHED])
    begun.start()
    answer = recorded.z4j.act("cancel", Target(job.id, "cancel-1", 1), {})
    begun.join()
    assert answer.outcome == Outcome.ALREADY_FINAL


def test_a_move_that_fails_leaves_the_job_where_it_was(queues, recorded):
    job = queues[0].enqueue("shop.ok", 1)
    queues[0].connection.set(queues[1].key, "no list")
    answer = recorded.z4j.act("move", Target(job.id, "move-1", 1), {"queue": "b"})
    assert answer.outcome == Outcome.FAILED
    assert queues[0].job_ids == [job.id]
    recorded.work(burst=True)
    assert job.get_status() == "finished"


def test_a_job_that_a_worker_takes_first_is_not_moved(queues, recorded, monkeypatch):
    job = queues[0].enqueue("shop.ok", 1)
    found = recorded.z4j.job(job.id)
    monkeypatch.setattr(recorded.z4j, "job", lambda _: found)
    found.get_status = lambda: "queued"
    queues[0].remove(job.id)
    answer = recorded.z4j.act("move", Target(job.id, "move-2", 1), {"queue": "b"})
    assert (answer.outcome, queues[1].job_ids) == (Outcome.NOT_FOUND, [])
