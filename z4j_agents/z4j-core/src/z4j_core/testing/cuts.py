"""A worker that is killed while it makes a task, and the command that is given to the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from z4j_core.engine import Target
from z4j_core.testing.needs import proves
from z4j_core.testing.queues import QueuesSuite
from z4j_core.testing.recording import AFTER, AMID, BEFORE
from z4j_core.testing.rig import Rig
from z4j_core.wire import Outcome, State


class CutsSuite(QueuesSuite):
    #: Whether the broker can be asked what has come to it. Where it cannot, what was cut off is unknown.
    can_tell: ClassVar[bool] = True

    @proves("retry", "pause")
    @pytest.mark.parametrize("point", [BEFORE, AMID, AFTER])
    def test_a_retry_that_was_cut_off_and_is_given_again_runs_exactly_once(self, rig: Rig, point: str) -> None:
        rig.ensure()
        name = f"cut-{point}"
        first = rig.send("count", name)
        self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, f"command-{name}", 1, queue=rig.queue)
        with self.paused(rig, 20 + len(point)):
            rig.records.cut(point, "retry", target)
            rig.restart()
            answer = rig.records.ask("retry", replace(target, again=True))
        if not self.can_tell and answer.outcome == Outcome.UNKNOWN:
            assert target.new_task_id() in answer.detail
            return
        assert (answer.outcome, answer.new_task_id) == (Outcome.DONE, target.new_task_id())
        row = self.becomes(rig, target.new_task_id(), State.SUCCEEDED)
        assert row["retry_of"] == first
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        assert len((rig.folder / name).read_text().splitlines()) == 2

    @proves("retry")
    def test_a_retry_that_two_carry_out_without_knowing_of_each_other_runs_once(self, rig: Rig) -> None:
        """As on two hosts, of which one was slow: the brain had given the command to the other meanwhile."""
        if not self.can_tell:
            return
        rig.ensure()
        first = rig.send("count", "raced")
        self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, "command-raced", 1)
        answers = [rig.records.ask("retry", target) for _ in range(2)]
        assert [answer.outcome for answer in answers] == [Outcome.DONE, Outcome.DONE]
        self.becomes(rig, target.new_task_id(), State.SUCCEEDED)
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        assert len((rig.folder / "raced").read_text().splitlines()) == 2
