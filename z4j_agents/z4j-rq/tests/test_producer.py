"""A process that only enqueues can look at Redis and send a hello, through a queue that it holds."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import rq
from rq_rig import RQRig
from z4j_core.engine import Target
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome


class Lazy:
    """Must not be woken by somebody who looks for a queue."""

    @property
    def __class__(self):
        raise AssertionError("woken")


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RQRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def test_without_a_queue_it_says_so(rig):
    answer = rig.engine().act("hello", Target(command="command-0", item=1), {})
    assert (answer.outcome, rig.engine().obstacle("queues")) == (Outcome.UNSUPPORTED, answer.detail)
    assert "name a module that holds one" in answer.detail


def test_through_a_queue_that_a_module_holds_it_sends_a_hello_and_counts_what_waits(rig, monkeypatch):
    module = ModuleType("web")
    module.lazy, module.queue = Lazy(), rq.Queue(rig.queue, connection=rig.connection)
    monkeypatch.setitem(sys.modules, "web", module)
    engine = rig.engine()
    answer = engine.act("hello", Target(command="command-1", item=1), {})
    assert answer.outcome == Outcome.DONE, answer.detail
    wait_for(lambda: rig.records.events(answer.new_task_id, "task.succeeded"), what="the hello")
    assert rig.queue in [facts["name"] for facts in engine.queues()]
    assert engine.obstacle("cancel")
