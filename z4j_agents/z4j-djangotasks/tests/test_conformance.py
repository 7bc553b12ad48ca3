"""Django's own tasks pass the suite that every engine passes: a real worker over a real database."""

from __future__ import annotations

import time

import pytest
from djangotasks_rig import DjangoTasksRig
from z4j_core.engine import Target
from z4j_core.testing.engines import EngineSuite, proves
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome, State
from z4j_djangotasks import DjangoTasksEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DjangoTasksRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestDjangoTasks(EngineSuite):
    engine_class = DjangoTasksEngine
    lacks = {
        "expires": "a task of Django has no expiry",
        "retries": "a task of Django is tried once",
        "unknown_task": "the worker says nothing of a row whose task it cannot import",
        "told_of_death": "a killed worker says nothing, and its row stays RUNNING",
        "stopped_running": "the worker runs the task itself",
        "vault": "a retry reads the task's own row, in the user's database",
    }

    @proves("queues", "peek", "lookup")
    def test_what_waits_in_another_queue_is_counted_and_listed_whoever_sent_it(self, rig):
        sent = [rig.send("ok", 1, queue="other"), rig.send_unseen("login", "ann", "canary", queue="other")]
        later = rig.send("ok", 1, queue="other", delay=600)
        facts = {one["name"]: one for one in rig.records.read("queues")}
        assert (facts["other"]["depth"], facts["other"]["delayed"]) == (2, 1)
        assert facts["other"]["oldest"] <= time.time_ns() // 1000
        assert facts["default"]["depth"] == 0
        listed = {event["task_id"]: event for event in rig.records.read("peek", "other", 100)}
        assert listed.keys() == {*sent, later}
        assert "canary" not in str(listed)
        assert listed[sent[1]]["name"] == "shop.tasks.login"
        told = rig.records.read("lookup", targets=[Target(later)])
        assert [event["kind"] for event in told] == ["task.enqueued"]
        for task_id in (*sent, later):
            assert rig.records.ask("cancel", Target(task_id, f"clear-{task_id}", 1)).outcome == Outcome.DONE

    def test_a_killed_worker_leaves_a_row_that_proves_nothing(self, rig):
        task_id = rig.send("die")
        self.becomes(rig, task_id, State.STARTED)
        wait_for(lambda: rig.process.poll() is not None, what="the worker's end")
        rig.ensure()
        assert rig.records.read("lookup", targets=[Target(task_id)]) == []

    def test_a_running_task_cannot_be_cancelled_and_that_is_said(self, rig):
        with self.held(rig, 1) as (task_id,):
            answer = rig.records.ask("cancel", Target(task_id, "command-20", 1))
            assert answer.outcome == Outcome.UNSUPPORTED
        self.becomes(rig, task_id, State.SUCCEEDED)
