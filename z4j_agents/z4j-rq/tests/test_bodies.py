"""A pickled job is opened by the process that runs it and by no other; JSON is opened wherever somebody looks."""

from __future__ import annotations

import importlib
from pathlib import PurePosixPath

import pytest
import rq
from rq.serializers import JSONSerializer
from rq_rig import RQRig
from z4j_core.engine import Target
from z4j_core.testing.recording import wait_for
from z4j_core.testing.rig import Suite
from z4j_core.wire import Outcome, State
from z4j_rq import RQEngine, SimpleWorker


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RQRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(scope="module")
def trap(rig):
    return importlib.import_module("shop").Trap()  # it needs the rig's folder


def openers(rig):
    """The processes that opened a trap since this was asked last."""
    path = rig.folder / "opened"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


class TestPickles(Suite):
    engine_class = RQEngine

    def test_one_that_waits_is_named_and_stays_closed(self, rig, trap):
        openers(rig)
        task_id = rig.send_unseen("take", trap, queue="idle")
        (peeked,) = rig.records.read("peek", "idle", 5)
        (known,) = rig.records.read("lookup", targets=[Target(task_id)])
        assert {peeked["name"], known["name"]} == {"shop.take"}
        assert not {"args", "kwargs"} & (peeked.keys() | known.keys())
        assert rig.records.ask("cancel", Target(task_id, "trap-0", 1)).outcome == Outcome.DONE
        assert not openers(rig)

    def test_one_that_is_moved_and_runs_is_opened_by_its_own_process(self, rig, trap):
        openers(rig)
        task_id = rig.send_unseen("take", trap, queue="idle")
        assert rig.records.ask("move", Target(task_id, "trap-1", 1), queue=rig.queue).outcome == Outcome.DONE
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert (row["name"], "Trap" in row["args"]) == ("shop.take", True)
        (ended,) = rig.records.events(task_id, "task.succeeded")
        told = wait_for(lambda: rig.records.read("lookup", targets=[Target(task_id)]))
        assert (told[0]["kind"], "result" in told[0]) == ("task.succeeded", False)
        assert set(openers(rig)) == {str(ended["pid"])}

    def test_one_that_runs_again_is_not_opened_for_that(self, rig, trap):
        openers(rig)
        task_id = rig.send_unseen("drop", trap)
        self.becomes(rig, task_id, State.FAILED)
        wait_for(lambda: rig.job(task_id).get_status() == "failed")
        retried = rig.records.ask("retry", Target(task_id, "trap-2", 1)).new_task_id
        other = rig.records.ask("retry_with", Target(task_id, "trap-3", 1), args=[7]).new_task_id
        for new in (retried, other):
            row = self.becomes(rig, new, State.FAILED)
            assert (row["name"], row["error_type"]) == ("shop.drop", "ValueError")
        assert "7" in row["args"]
        assert rig.records.ask("requeue", Target(task_id, "trap-4", 1)).outcome == Outcome.DONE
        wait_for(lambda: len(rig.records.events(task_id, "task.failed")) == 2)
        found = openers(rig)
        assert found
        assert str(rig.process.pid) not in found

    def test_whatever_it_is_described_as_its_name_is_its_functions(self, rig, trap):
        queue = rq.Queue("described", connection=rig.connection)
        queue.enqueue("shop.take", trap, description="os.system(1)")
        (peeked,) = rig.records.read("peek", "described", 5)
        assert peeked["name"] == "shop.take"

    def test_a_method_of_an_object_gets_no_other_arguments(self, rig):
        queue = rq.Queue("bound", connection=rig.connection)
        task_id = queue.enqueue(PurePosixPath("a").joinpath, "b").id
        answer = rig.records.ask("retry_with", Target(task_id, "trap-5", 1), args=["q"])
        assert answer.outcome == Outcome.UNSUPPORTED, answer


def test_json_is_opened_wherever_it_waits(rig):
    queue = rq.Queue("plain", connection=rig.connection, serializer=JSONSerializer)
    task_id = queue.enqueue("shop.ok", "seen").id
    engine = rig.engine()
    engine.install(rig.recorder())
    try:
        engine.serve(SimpleWorker([queue], connection=rig.connection, serializer=JSONSerializer))
        (peeked,) = engine.peek("plain", 5)
        (known,) = engine.lookup([Target(task_id)])
    finally:
        engine.uninstall()
    assert peeked["args"]
    assert peeked["args"] == known["args"]
