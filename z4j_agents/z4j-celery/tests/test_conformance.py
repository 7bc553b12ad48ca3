"""Celery passes the suite that every engine passes: a real worker (prefork, 2) over a real broker."""

from __future__ import annotations

import pytest
from celery_rig import CeleryRig
from z4j_celery import CeleryEngine
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite, proves
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CeleryRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestCelery(EngineSuite):
    """The rig is all that an adapter supplies; the rest is what every engine writes in its own way."""

    engine_class = CeleryEngine

    @proves("rate_limit")
    def test_a_rate_limit_holds_tasks_back_also_after_a_restart(self, rig):
        ask(rig, "rate_limit", name="shop.count", rate="1/s")
        try:
            assert seconds_for(rig, self, 4) > 2
            rig.restart()
            assert seconds_for(rig, self, 4) > 2
        finally:
            ask(rig, "rate_limit", name="shop.count", rate="0")
        wait_for(lambda: seconds_for(rig, self, 4) < 2, what="tasks that nothing holds back")

    @pytest.mark.parametrize(
        ("given", "outcome"),
        [
            ({"name": "shop.count", "rate": "plenty"}, Outcome.FAILED),
            ({"name": "shop.nothing", "rate": "1/s"}, Outcome.NOT_FOUND),
        ],
    )
    def test_a_rate_that_celery_cannot_read_is_answered_with_a_sentence(self, rig, given, outcome):
        answer = rig.records.ask("rate_limit", Target(command="rate-9", item=1), **given)
        assert answer.outcome == outcome
        assert answer.detail.endswith(".")

    @proves("time_limit")
    def test_a_time_limit_ends_the_next_task_of_that_name_also_after_a_restart(self, rig):
        ask(rig, "time_limit", name="shop.slow", hard=1)
        try:
            for restarted in (False, True):
                if restarted:
                    rig.restart()
                row = self.becomes(rig, rig.send("slow", 30), State.FAILED)
                assert row["error_reason"] == "timeout"
        finally:
            ask(rig, "time_limit", name="shop.slow")
        self.becomes(rig, rig.send("slow", 2), State.SUCCEEDED)

    @proves("restart_pool")
    def test_a_restarted_pool_has_other_processes_and_the_same_worker(self, rig):
        before, worker = pids(rig, self, "pids-before"), rig.records.read("worker_facts")[0]
        ask(rig, "restart_pool")
        wait_for(lambda: not before & pids(rig, self, "pids-after"), what="other processes")
        assert rig.records.read("worker_facts")[0]["pid"] == worker["pid"]

    @proves("autoscale")
    def test_a_worker_that_scales_itself_keeps_to_new_limits(self, tmp_path):
        with CeleryRig(tmp_path, options=("--autoscale=2,1",)) as rig:
            ask(rig, "autoscale", min=3, max=4)
            wait_for(lambda: rig.records.read("worker_facts")[0]["concurrency"]["size"] == 3, what="three processes")
            answer = rig.records.ask("grow", Target(command="grow-9", item=1))
            assert answer.outcome == Outcome.UNSUPPORTED
            assert "--autoscale" in answer.detail

    @proves("move")
    def test_a_waiting_task_moves_to_another_queue(self, rig):
        task_id = rig.send("count", "moved", queue="idle", priority=3)
        answer = rig.records.ask("move", Target(task_id, "move-1", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert (row["queue"], row["priority"]) == (rig.queue, 3)
        answer = rig.records.ask("move", Target(task_id, "move-2", 1, queue="idle"), queue=rig.queue)
        assert answer.outcome == Outcome.NOT_FOUND


def ask(rig, verb, **params):
    answer = rig.records.ask(verb, Target(command=f"{verb}-1", item=1), **params)
    assert answer.outcome == Outcome.DONE, answer.detail


def seconds_for(rig, suite, count):
    """From the start of the first task to the start of the last."""
    sent = [rig.send("count", "limited") for _ in range(count)]
    starts = [suite.becomes(rig, task_id, State.SUCCEEDED)["started_at"] for task_id in sent]
    return (max(starts) - min(starts)) / 1_000_000


def pids(rig, suite, name):
    """Of the processes that run tasks now."""
    (rig.folder / name).unlink(missing_ok=True)
    for task_id in [rig.send("whoami", name) for _ in range(4)]:
        suite.becomes(rig, task_id, State.SUCCEEDED)
    return set((rig.folder / name).read_text().split())
