"""What is arq's own: one loop for all jobs, results that say little, a worker that is found and not given."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import types
from contextlib import contextmanager

import pytest
import z4j_arq
from arq import Retry, func
from arq.connections import RedisSettings
from arq.jobs import Job
from arq.worker import Worker, get_kwargs
from arq_rig import ArqRig
from z4j_arq import ArqEngine
from z4j_arq.advice import blocking_call
from z4j_arq.bridge import Busy, on_loop
from z4j_core.engine import Target
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.testing.rig import Suite
from z4j_core.wire import Outcome, State


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """Its worker gives up a job after 3 s, so a killed one's are run again after 13."""
    with ArqRig(tmp_path_factory.mktemp("rig"), SHOP_TIMEOUT="3", SHOP_ABORT="yes", SHOP_CRON="yes") as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    rig.ensure()


class TestLives(Suite):
    def test_a_job_that_takes_too_long_fails_with_that_reason(self, rig):
        row = self.becomes(rig, rig.send("slow", 30), State.FAILED)
        assert (row["error_type"], row["error_reason"]) == ("TimeoutError", "timeout")
        assert row["runtime_ms"] > 2900

    def test_what_a_job_enqueues_are_its_children(self, rig):
        parent = rig.send("order", "child")
        self.becomes(rig, parent, State.SUCCEEDED)
        child = wait_for(lambda: [one for one in rig.records.events() if one.get("parent_id") == parent])[0]
        assert self.becomes(rig, child["task_id"], State.SUCCEEDED)["name"] == "count"

    def test_a_cron_job_names_its_schedule(self, rig):
        told = wait_for(lambda: [one for one in rig.records.events() if one.get("schedule") == "cron:tick"])
        assert self.becomes(rig, told[0]["task_id"], State.SUCCEEDED)["schedule"] == "cron:tick"

    def test_what_a_stop_cuts_off_is_run_again(self, rig):
        task_id = rig.send("slow", 2.7)
        self.becomes(rig, task_id, State.STARTED)
        rig.restart()
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        cut = rig.records.events(task_id, "task.retrying")
        assert [event["error"]["type"] for event in cut] == ["WorkerStopped"]
        assert row["attempt"] == 1

    def test_what_a_killed_worker_held_is_held_then_waits_then_runs(self, rig):
        task_id = rig.send("slow", 1)
        self.becomes(rig, task_id, State.STARTED)
        rig.stop(signal.SIGKILL)
        rig.ensure()
        target = Target(task_id, queue=rig.queue)

        def told():
            return [(event["kind"], event["attempt"]) for event in rig.records.read("lookup", targets=[target])]

        assert told() == [("task.started", 0)], "arq does not know yet that its worker is gone"
        rig.records.ask("pause", Target(command="pause-held", item=1))
        wait_for(lambda: told() == [("task.enqueued", 1)], what="arq's hold on it to expire")
        rig.records.ask("resume", Target(command="resume-held", item=1))
        assert self.becomes(rig, task_id, State.SUCCEEDED)["attempt"] == 1

    def test_a_retry_has_as_long_to_live_as_its_original(self, rig):
        first = rig.send("count", "lives", expires=60)
        self.becomes(rig, first, State.SUCCEEDED)
        rig.restart()
        answer = rig.records.ask("retry", Target(first, "lives-1", 1))
        told = rig.records.events(answer.new_task_id, "task.enqueued")[0]
        assert told["expires"] - told["ts"] == 60_000_000

    def test_a_retry_is_possible_when_arq_has_forgotten_the_job(self, rig):
        first = rig.send("count", "forgotten")
        self.becomes(rig, first, State.SUCCEEDED)
        wait_for(lambda: rig.run(rig.pool.delete(f"arq:result:{first}")), what="its result")
        answer = rig.records.ask("retry", Target(first, "forgotten-1", 1))
        assert self.becomes(rig, answer.new_task_id, State.SUCCEEDED)["name"] == "count"
        assert rig.records.read("lookup", targets=[Target(first)]) == []

    def test_arguments_that_arq_keeps_for_itself_are_refused(self, rig):
        first = rig.send("count", "given")
        self.becomes(rig, first, State.SUCCEEDED)
        answer = rig.records.ask("retry_with", Target(first, "given-1", 1), args=["x"], kwargs={"_queue_name": "y"})
        assert (answer.outcome, "_queue_name" in answer.detail) == (Outcome.FAILED, True)

    def test_the_store_says_how_each_job_ended(self, rig):
        failed, unknown, spent = rig.send("fail", 7), rig.send("unheard_of"), rig.send("flaky", 9)
        cancelled = rig.send("slow", 30)
        self.becomes(rig, cancelled, State.STARTED)
        rig.records.ask("cancel", Target(cancelled, "end-1", 1))
        expected = {
            failed: ("task.failed", "ValueError", "exception", 0),
            unknown: ("task.failed", "JobExecutionFailed", "unknown_task", 0),
            spent: ("task.failed", "JobExecutionFailed", "exception", 2),
            cancelled: ("task.cancelled", None, None, 0),
        }
        for task_id in expected:
            self.becomes(rig, task_id, State.FAILED, State.CANCELLED)
        told = rig.records.read("lookup", targets=[Target(task_id) for task_id in expected])
        assert expected == {
            event["task_id"]: (
                event["kind"],
                event.get("error", {}).get("type"),
                event.get("error", {}).get("reason"),
                event["attempt"],
            )
            for event in told
        }


class TestBlocked(Suite):
    def test_while_a_job_blocks_the_loop_the_agent_answers_and_does_nothing_late(self, rig):
        with self.held(rig, 1, task="block") as (busy,):
            waiting = rig.send("count", "blocked")
            at_once, later = [], []
            with timed(at_once):
                facts = rig.records.read("worker_facts")[0]
            with timed(at_once):
                assert rig.records.read("queues")[0]["depth"] >= 1
            with timed(at_once):
                assert waiting in [event["task_id"] for event in rig.records.read("peek", rig.queue, 10)]
            with timed(at_once):
                assert rig.records.ask("cancel", Target(waiting, "blocked-1", 1)).outcome == Outcome.DONE
            with timed(later):
                refused = [rig.records.ask("cancel", Target(busy, "blocked-2", 1))]
            with timed(later):
                refused.append(rig.records.ask("grow", Target(command="blocked-3", item=1), by=3))
        assert busy in [task["task_id"] for task in facts["running"]]
        assert max(at_once) < min(later), "none of the first waits for the loop, and the others do"
        assert {answer.outcome for answer in refused} == {Outcome.FAILED}
        assert all("blocks" in answer.detail for answer in refused)
        self.becomes(rig, busy, State.SUCCEEDED)
        assert rig.records.read("worker_facts")[0]["concurrency"]["size"] == rig.size
        assert not (rig.folder / "blocked").exists()

    def test_what_the_loop_did_not_get_to_is_not_done_later(self):
        loop, done = asyncio.new_event_loop(), []
        loop.call_soon(time.sleep, 0.5)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        with pytest.raises(Busy):
            on_loop(loop, lambda: done.append("late"), 0.1)
        assert on_loop(loop, lambda: "in time") == "in time"
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        assert done == []
        with pytest.raises(Busy):
            on_loop(loop, lambda: done.append("closed"), 0.1)


class TestElsewhere(Suite):
    """A job that a worker without the adapter runs."""

    def test_it_is_cancelled_by_arq_itself_where_that_is_allowed(self, rig):
        async def elsewhere():
            worker = Worker(
                [rig.shop.slow], redis_pool=rig.pool, queue_name="elsewhere", handle_signals=False, poll_delay=0.1,
                allow_abort_jobs=True,
            )  # fmt: skip
            task = asyncio.create_task(worker.async_run())
            job = await rig.pool.enqueue_job("slow", 60, _queue_name="elsewhere")
            while job.job_id not in worker.job_tasks:
                await asyncio.sleep(0.05)
            target = Target(job.job_id, "elsewhere-1", 1, queue="elsewhere")
            answer = await asyncio.to_thread(rig.records.ask, "cancel", target)
            while not (info := await job.result_info()):
                await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return answer, info

        answer, info = rig.run(asyncio.wait_for(elsewhere(), 30))
        assert answer.outcome == Outcome.REQUESTED
        assert isinstance(info.result, asyncio.CancelledError)


class TestAnywhere(Suite):
    def test_a_hello_can_be_sent_wherever_the_settings_are_known(self, rig):
        engine = ArqEngine()
        engine.know({"redis_settings": RedisSettings.from_dsn(os.environ["SHOP_REDIS"]), "queue_name": rig.queue})
        engine.install(RecordingHost(rig.folder))
        try:
            assert [facts["name"] for facts in engine.queues()] == [rig.queue]
            assert engine.obstacle("cancel"), "only a worker cancels"
            answer = engine.act("hello", Target(command="hello-1", item=1), {})
        finally:
            engine.uninstall()
        assert answer.outcome == Outcome.DONE, answer.detail
        assert self.becomes(rig, answer.new_task_id, State.SUCCEEDED)["worker"]


@contextmanager
def timed(seconds):
    began = time.monotonic()
    yield
    seconds.append(time.monotonic() - began)


async def ok(ctx, x):
    return x


async def sleepy(ctx):
    time.sleep(1)  # noqa: ASYNC251 - what must not be done


async def again(ctx):
    raise Retry(defer=0.1)


class Settings:
    functions = [ok]
    redis_settings = RedisSettings(port=1)


class TestInstrument:
    def test_a_class_stays_a_class_and_keeps_what_arq_reads(self):
        made = z4j_arq.instrument(Settings)
        assert issubclass(made, Settings)
        assert (made.__name__, made.__module__) == ("Settings", __name__)
        given = get_kwargs(made)
        assert (given["functions"], given["redis_settings"]) == ([ok], Settings.redis_settings)
        assert z4j_arq.instrument(made) is made, "twice is once"
        assert "on_startup" not in vars(Settings), "the user's own is left as it is"

    @pytest.mark.parametrize("shape", [dict, lambda **given: types.SimpleNamespace(**given)])
    def test_a_dict_and_a_module_are_taken_too(self, shape):
        settings = shape(functions=[ok], max_jobs=3)
        given = get_kwargs(z4j_arq.instrument(settings))
        assert (given["functions"], given["max_jobs"]) == ([ok], 3)
        assert callable(given["on_startup"])

    def test_it_opens_nothing_and_observes_nobody_without_a_dsn(self, monkeypatch):
        monkeypatch.delenv("Z4J_DSN", raising=False)
        before = threading.active_count()
        z4j_arq.instrument(Settings)
        assert (ArqEngine.installed, threading.active_count()) == (None, before)


@pytest.fixture
def burst(rig, tmp_path):
    """Run a worker in this process until its queue is empty; what it told."""
    engine = ArqEngine()
    engine.install(RecordingHost(tmp_path, "redact", engine))
    rig.run(rig.pool.delete("burst"))

    def run(functions, *jobs, **settings):
        async def work():
            calls = []

            async def theirs(ctx):
                calls.append(sorted(ctx))

            settings_ = {"on_startup": theirs, "on_shutdown": theirs, "redis_settings": redis, **settings}
            given = z4j_arq.instrument({"functions": functions, "queue_name": "burst", **settings_})
            for name, *args in jobs:
                await pool.enqueue_job(name, *args, _queue_name="burst")
            worker = Worker(**given, burst=True, poll_delay=0.05, handle_signals=False)
            await worker.async_run()
            await worker.close()
            assert len(calls) == 2, "the user's own hooks are called"
            return worker

        redis = RedisSettings.from_dsn(os.environ["SHOP_REDIS"])
        pool = rig.pool
        pool.job_serializer = settings.get("job_serializer")
        try:
            return rig.run(work()), Records(tmp_path).events()
        finally:
            pool.job_serializer = None

    yield run
    engine.uninstall()


@pytest.mark.filterwarnings("ignore:Call to deprecated close")  # by arq itself
class TestWorkers:
    def test_the_worker_is_found_and_left_as_it_was(self, burst):
        worker, told = burst([ok], ("ok", 1))
        kinds = [event["kind"] for event in told]
        assert kinds == ["worker.online", "task.started", "task.succeeded", "worker.offline"]
        assert told[0]["data"]["queues"] == ["burst"]
        assert not {"run_job", "finish_job", "finish_failed_job"} & vars(worker).keys()
        assert worker.functions["ok"].coroutine is ok
        assert ArqEngine.installed.worker() is None

    def test_a_serialiser_that_carries_no_exceptions_hides_no_reason(self, burst):
        functions = [ok, func(again, max_tries=1)]
        coding = {"job_serializer": lambda job: json.dumps(job).encode(), "job_deserializer": json.loads}
        _, told = burst(functions, ("ok", 1), ("nobody", 1), ("again",), **coding)
        failed = {event["name"]: event["error"] for event in told if event["kind"] == "task.failed"}
        assert failed["nobody"]["reason"] == "unknown_task"
        assert "attempts" in failed["again"]["message"]
        assert [event["name"] for event in told if event["kind"] == "task.succeeded"] == ["ok"]

    def test_a_second_worker_in_a_process_is_not_mixed_up_with_the_first(self, rig, burst, caplog):
        first = rig.run(rig._own_worker())
        rig.run(_serve(ArqEngine.installed, first))
        burst([ok], ("ok", 1))
        assert "second arq worker" in caplog.text
        assert ArqEngine.installed is not None


async def _serve(engine, worker):
    engine.serve(worker)


class TestAdvice:
    def test_it_names_what_will_hurt(self, rig):
        async def made(**settings):
            return Worker(redis_pool=rig.pool, queue_name="advised", handle_signals=False, **settings)

        def codes(**settings):
            engine = ArqEngine()
            rig.run(_serve(engine, rig.run(made(**settings))))
            return {advice.code for advice in engine.advice()}

        assert codes(functions=[sleepy], keep_result=0, job_timeout=7200, retry_jobs=False) == {
            "blocking-code", "abort-off", "short-results", "slow-recovery", "stops-at-once", "no-retries", "pickle",
            "stale-health",
        }  # fmt: skip
        assert "results-for-ever" in codes(functions=[ok], keep_result_forever=True)
        well = {"allow_abort_jobs": True, "job_completion_wait": 5, "health_check_interval": 30}
        assert codes(functions=[ok], job_deserializer=json.loads, **well) == set()

    def test_it_sees_a_call_that_blocks_in_the_function_itself(self):
        assert blocking_call(sleepy) == "time.sleep"
        assert blocking_call(ok) == ""


def test_a_pool_that_nobody_holds_is_let_go(rig):
    engine = ArqEngine()
    engine.install(RecordingHost(rig.folder))
    try:
        engine.observe(rig.pool)
        assert len(engine._pools) == 1
        assert rig.run(Job("never-seen", rig.pool).result_info()) is None
    finally:
        engine.uninstall()
    assert "enqueue_job" not in vars(rig.pool)
