"""Verbs on a worker: it grows, shrinks, restarts and stops, and what it says of itself follows."""

from __future__ import annotations

import time
from typing import Any

from z4j_core.engine import Target
from z4j_core.testing.needs import proves
from z4j_core.testing.recording import wait_for
from z4j_core.testing.rig import TAKEN, Rig, Suite
from z4j_core.wire import State


class WorkersSuite(Suite):
    def worker_facts(self, rig: Rig) -> dict[str, Any]:
        """What the worker says of itself now; `worker` is a read like the others."""
        return rig.records.read("worker_facts")[0]  # type: ignore[no-any-return]

    def running_at_once(self, rig: Rig, count: int, expected: int) -> int:
        """How many of so many tasks ran at once; none ends before the expected number of them has begun."""
        with self.held(rig, count, begun=expected) as sent:
            time.sleep(1)  # in which one more could begin
        for task_id in sent:
            self.becomes(rig, task_id, State.SUCCEEDED)
        rows = [self.row(rig, task_id) for task_id in sent]
        at_once: list[int] = [
            sum(row["started_at"] <= at["started_at"] < row["finished_at"] for row in rows) for at in rows
        ]
        return max(at_once)

    @proves("grow", "shrink")
    def test_a_worker_grows_and_shrinks_and_runs_as_many_tasks_at_once(self, rig: Rig) -> None:
        rig.ensure()
        assert rig.records.ask("grow", Target(command="grow-1", item=1), by=2).outcome in TAKEN
        wait_for(lambda: self.worker_facts(rig)["concurrency"]["size"] == rig.size + 2, what="two slots more")
        assert self.running_at_once(rig, rig.slots + 2, rig.slots + 2) == rig.slots + 2
        assert rig.records.ask("shrink", Target(command="shrink-1", item=1), by=2).outcome in TAKEN
        wait_for(lambda: self.worker_facts(rig)["concurrency"]["size"] == rig.size, what="two slots fewer")
        assert self.running_at_once(rig, rig.slots + 2, rig.slots) == rig.slots

    @proves("restart")
    def test_a_restarted_worker_comes_back_and_works(self, rig: Rig) -> None:
        rig.ensure()
        online = len(rig.records.events(kind="worker.online"))
        assert rig.records.ask("restart", Target(command="restart-1", item=1)).outcome in TAKEN
        wait_for(lambda: len(rig.records.events(kind="worker.online")) > online, 40, "the worker's return")
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)

    @proves("stop")
    def test_a_stopped_worker_says_goodbye_and_takes_nothing_more(self, rig: Rig) -> None:
        rig.ensure()
        offline = len(rig.records.events(kind="worker.offline"))
        assert rig.records.ask("stop", Target(command="stop-1", item=1)).outcome in TAKEN
        try:
            wait_for(lambda: len(rig.records.events(kind="worker.offline")) > offline, what="its goodbye")
            wait_for(lambda: not rig.running(), what="the end of its process")
            task_id = rig.send("ok", 1)
        finally:
            rig.ensure()
        self.becomes(rig, task_id, State.SUCCEEDED)
