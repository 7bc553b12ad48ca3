"""What this very worker cannot do is said with the reason, and what it can do it does: by pool and settings."""

from __future__ import annotations

import pytest
from celery_rig import CeleryRig
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State

suite = EngineSuite()
POOLS = {
    "threads": ("grow", "shrink", "autoscale", "restart_pool", "time_limit"),
    "solo": ("grow", "shrink", "autoscale", "restart_pool", "time_limit"),
    "gevent": ("autoscale", "restart_pool"),
}


@pytest.mark.parametrize(("pool", "cannot"), POOLS.items(), ids=POOLS)
def test_each_pool_says_what_it_cannot_and_does_the_rest(tmp_path, pool, cannot):
    with CeleryRig(tmp_path, pool=pool) as rig:
        for verb in cannot:
            answer = rig.records.ask(verb, Target(command=f"{verb}-1", item=1), min=1, max=2, name="shop.ok", hard=1)
            assert answer.outcome == Outcome.UNSUPPORTED, verb
            assert answer.detail.endswith("."), verb
        done(rig, "rate_limit", name="shop.ok", rate="100/s")
        hello = rig.records.ask("hello", Target(command="hello-1", item=1))
        suite.becomes(rig, hello.new_task_id, State.SUCCEEDED)
        done(rig, "pause")
        assert rig.records.read("worker_facts")[0]["paused"] == [rig.queue]
        waiting = rig.send("count", "paused")
        wait_for(lambda: not rig.records.events(waiting, "task.started"))
        done(rig, "resume")
        suite.becomes(rig, waiting, State.SUCCEEDED)
        if "grow" not in cannot:
            done(rig, "grow", by=2)
        assert rig.records.ask("stop", Target(command="stop-1", item=1)).outcome == Outcome.REQUESTED
        wait_for(lambda: rig.records.events(kind="worker.offline"), what="its goodbye")


def test_a_worker_whose_main_thread_is_at_work_obeys_afterwards(tmp_path):
    with CeleryRig(tmp_path, pool="solo") as rig:
        with suite.held(rig, 1) as (task_id,):
            answer = rig.records.ask("pause", Target(command="pause-1", item=1, queue=rig.queue))
            assert answer.outcome == Outcome.REQUESTED
            assert "as soon as" in answer.detail
        suite.becomes(rig, task_id, State.SUCCEEDED)
        held = rig.send("count", "held")
        wait_for(lambda: rig.records.read("peek", rig.queue, 5), what="a message that nobody takes")
        done(rig, "resume")
        suite.becomes(rig, held, State.SUCCEEDED)


SETTINGS = {
    "restart_pool": ({"worker_pool_restarts": False}, "worker_pool_restarts"),
    "rate_limit": ({"worker_disable_rate_limits": True}, "worker_disable_rate_limits"),
    "cancel": ({"worker_enable_remote_control": False}, "worker_enable_remote_control"),
}


@pytest.mark.parametrize("verb", SETTINGS)
def test_a_setting_that_stands_in_the_way_is_named(tmp_path, verb):
    settings, name = SETTINGS[verb]
    with CeleryRig(tmp_path, **settings) as rig:
        answer = rig.records.ask(verb, Target("task", f"{verb}-1", 1), name="shop.ok", rate="1/s")
        assert answer.outcome == Outcome.UNSUPPORTED
        assert name in answer.detail


def test_a_worker_shrinks_to_one_process_and_no_further(tmp_path):
    with CeleryRig(tmp_path) as rig:
        for by in (0, 2, -1, "two", True):
            assert rig.records.ask("shrink", Target(command="shrink-1", item=1), by=by).outcome == Outcome.FAILED
        assert rig.records.ask("grow", Target(command="grow-1", item=1), by=10_000).outcome == Outcome.FAILED
        with suite.held(rig, 2) as busy:
            answer = rig.records.ask("shrink", Target(command="shrink-2", item=1))
            assert answer.outcome == Outcome.FAILED
            assert "at work" in answer.detail
        for task_id in busy:
            suite.becomes(rig, task_id, State.SUCCEEDED)
        done(rig, "shrink")
        assert rig.records.read("worker_facts")[0]["concurrency"]["size"] == 1
        suite.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)


def test_a_queue_that_this_worker_does_not_serve_is_neither_paused_nor_resumed(tmp_path):
    with CeleryRig(tmp_path) as rig:
        for verb in ("pause", "resume"):
            answer = rig.records.ask(verb, Target(command=f"{verb}-1", item=1, queue="elsewhere"))
            assert answer.outcome == Outcome.NOT_FOUND
        suite.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)


def done(rig, verb, **params):
    answer = rig.records.ask(verb, Target(command=f"{verb}-1", item=1), **params)
    assert answer.outcome == Outcome.DONE, (verb, answer.detail)
