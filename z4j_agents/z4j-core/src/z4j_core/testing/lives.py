"""Golden traces: what the tasks of an engine go through, from sending to their end, told by its own hooks."""

from __future__ import annotations

from z4j_core.fold import fold, order_key
from z4j_core.testing.needs import needs
from z4j_core.testing.rig import Rig, Suite
from z4j_core.wire import FINAL, RANK, Event, State


class LivesSuite(Suite):
    def test_a_task_that_succeeds(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        assert row["name"].endswith("ok")
        assert row["queue"]
        assert row["worker"]
        assert row["first_at"] <= row["started_at"] <= row["finished_at"]
        assert row["runtime_ms"] is not None
        assert row["error_type"] == ""

    def test_a_task_that_fails(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("fail", 7), self.failed)
        assert (row["error_type"], row["error_reason"]) == ("ValueError", "exception")
        assert "in fail" in row["traceback"]
        assert row["attempt"] == 0

    @needs("retries")
    def test_a_task_that_is_tried_three_times(self, rig: Rig) -> None:
        task_id = rig.send("flaky", 2)
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert row["attempt"] == 2
        assert [event["attempt"] for event in rig.records.events(task_id, "task.retrying")] == [0, 1]
        assert row["error_type"] == "", "the errors belong to earlier attempts"

    @needs("retries")
    def test_a_task_that_runs_out_of_attempts(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("flaky", 9), self.failed)
        assert row["attempt"] == 2
        assert row["error_type"]

    @needs("delay")
    def test_a_delayed_task_waits_and_then_runs(self, rig: Rig) -> None:
        task_id = rig.send("ok", 1, delay=2)
        row = self.becomes(rig, task_id, State.SCHEDULED)
        assert row["eta"] > row["first_at"]
        done = self.becomes(rig, task_id, State.SUCCEEDED)
        assert done["started_at"] >= row["eta"] - self.early * 1_000_000

    @needs("expires")
    def test_a_task_that_expires_before_it_runs(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("ok", 1, expires=-1), State.EXPIRED)
        assert row["started_at"] is None

    @needs("unknown_task")
    def test_a_task_that_no_worker_knows(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("unheard_of"), State.FAILED, State.DEAD_LETTERED)
        assert row["error_reason"] == "unknown_task"

    @needs("told_of_death")
    def test_a_task_whose_process_is_killed(self, rig: Rig) -> None:
        task_id = rig.send("die")
        row = self.becomes(rig, task_id, self.failed)
        assert row["error_reason"] == "worker_lost"
        assert row["started_at"] is not None

    def test_every_task_ends_once_in_any_order_of_arrival(self, rig: Rig) -> None:
        task_ids = {event["task_id"] for event in rig.records.events() if "task_id" in event}
        for task_id in task_ids:
            events = rig.records.events(task_id)
            ends = [(event.get("attempt"), event.get("run")) for event in events if _ends(event)]
            assert len(ends) == len(set(ends)), events
            keyed = sorted(((order_key(event, "boot"), event) for event in events), key=lambda pair: pair[0])
            doubled = sorted(keyed + keyed[::-1], key=lambda pair: pair[0])
            assert fold(None, doubled) == fold(None, keyed)


def _ends(event: Event) -> bool:
    kind = event["kind"].removeprefix("task.")
    return kind in FINAL and RANK[State(kind)] == 100
