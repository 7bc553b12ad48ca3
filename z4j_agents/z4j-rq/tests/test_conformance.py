"""RQ passes the suite that every engine passes: a real worker over a real broker."""

from __future__ import annotations

import pytest
import rq
from rq_rig import RQRig
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite, proves
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State
from z4j_rq import RQEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RQRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestRQ(EngineSuite):
    engine_class = RQEngine
    early = 1.0  # RQ's scheduler counts whole seconds
    opens_what_waits = False  # the rig's jobs are pickles, as RQ's are unless somebody says otherwise
    lacks = {
        "expires": "a job whose ttl has passed vanishes from Redis without a word",
        "unknown_task": "a name that cannot be imported fails like any other job, with an import error",
    }

    @proves("move")
    def test_a_waiting_job_moves_to_another_queue(self, rig):
        task_id = rig.send("count", "moved", queue="idle")
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert row["queue"] == rig.queue

    @proves("time_limit")
    def test_a_time_limit_ends_the_next_job_of_that_name(self, rig):
        rig.records.ask("time_limit", Target(command="limit-1", item=1), name="shop.slow", hard=0.7)
        row = self.becomes(rig, rig.send("slow", 30), State.FAILED)
        assert row["error_reason"] == "timeout"
        rig.records.ask("time_limit", Target(command="limit-2", item=1), name="shop.slow", hard=600)

    @proves("rate_limit")
    def test_a_rate_limit_lets_more_jobs_of_its_key_into_their_queue(self, rig):
        def limited(rate):
            return rig.records.ask("rate_limit", Target(command=f"rate-{rate}", item=1), name="mail", rate=rate)

        if not hasattr(rq, "RateLimit"):
            answer = limited(3)
            assert (answer.outcome, "RQ 3" in answer.detail) == (Outcome.UNSUPPORTED, True)
            return
        assert limited(3).outcome == Outcome.NOT_FOUND
        queue = rq.Queue("limited", connection=rig.connection)
        jobs = [queue.enqueue("shop.ok", 1, rate_limit=rq.RateLimit("mail", 1)) for _ in range(4)]
        assert [job.get_status() for job in jobs] == ["queued", *["rate_limited"] * 3]
        assert limited("plenty").outcome == Outcome.FAILED
        assert limited(3).outcome == Outcome.DONE
        assert sorted(job.get_status() for job in jobs) == [*["queued"] * 3, "rate_limited"]

    @proves("restart")
    def test_under_a_plain_worker_a_restart_is_refused_with_the_reason(self, rig):
        answer = rig.records.ask("restart", Target(command="restart-0", item=1))
        assert answer.outcome == Outcome.UNSUPPORTED
        assert "worker-pool" in answer.detail

    test_a_restarted_worker_comes_back_and_works = None  # under a pool: see test_rq.py

    def test_a_name_that_cannot_be_imported_fails(self, rig):
        row = self.becomes(rig, rig.send("unheard_of"), State.FAILED)
        assert row["error_type"]

    def test_a_job_that_is_stopped_is_cancelled_in_rq_too(self, rig):
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        rig.records.ask("cancel", Target(task_id, "stop-it", 1))
        self.becomes(rig, task_id, State.CANCELLED)
        wait_for(lambda: rig.job(task_id).get_status() == "stopped", what="RQ's own word")
