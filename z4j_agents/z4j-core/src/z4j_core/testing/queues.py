"""Queues: what waits is seen before anybody takes it, and can be held back, moved and thrown away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from z4j_core.engine import Target
from z4j_core.testing.needs import proves
from z4j_core.testing.recording import wait_for
from z4j_core.testing.rig import TAKEN, Rig, Suite
from z4j_core.wire import Outcome, QueueFacts, State

#: Seconds in which a worker that is not paused has certainly begun a task.
A_WHILE = 3.0


class QueuesSuite(Suite):
    #: Whether arguments are told of a task that still waits. Not where opening its body could run code that it names:
    #: that is for the process that runs the task.
    opens_what_waits: ClassVar[bool] = True

    @contextmanager
    def paused(self, rig: Rig, number: int) -> Iterator[None]:
        """The worker takes nothing; one task that it may have had in its hands already is allowed for."""
        assert rig.records.ask("pause", Target(command=f"pause-{number}", item=1, queue=rig.queue)).outcome in TAKEN
        rig.send("ok", 1)
        time.sleep(1)
        try:
            yield
        finally:
            answer = rig.records.ask("resume", Target(command=f"resume-{number}", item=1, queue=rig.queue))
            assert answer.outcome in TAKEN

    def facts(self, rig: Rig) -> QueueFacts:
        found = [facts for facts in rig.records.read("queues") if facts["name"] == rig.queue]
        assert len(found) == 1, found
        return found[0]  # type: ignore[no-any-return]

    @proves("pause", "resume")
    def test_a_paused_queue_waits_and_a_resumed_one_runs(self, rig: Rig) -> None:
        with self.paused(rig, 1):
            task_id = rig.send("count", "paused")
            time.sleep(A_WHILE)
            assert not (rig.folder / "paused").exists()
            online = rig.records.events(kind="worker.online")[-1]
            assert online["worker"]
        self.becomes(rig, task_id, State.SUCCEEDED)

    @proves("pause", "resume")
    def test_a_pause_outlives_a_restart_of_the_worker(self, rig: Rig) -> None:
        with self.paused(rig, 2):
            rig.restart()
            task_id = rig.send("count", "paused-over")
            time.sleep(A_WHILE)
            assert not (rig.folder / "paused-over").exists()
        self.becomes(rig, task_id, State.SUCCEEDED)

    @proves("queues", "peek", "pause")
    def test_what_waits_is_counted_and_listed_whoever_sent_it(self, rig: Rig) -> None:
        with self.paused(rig, 3):
            before = self.facts(rig)
            sent = [rig.send("count", "seen"), rig.send("count", "seen"), rig.send_unseen("count", "unseen-9d1f7c")]
            wait_for(lambda: self.facts(rig)["depth"] == before["depth"] + 3, what="three more in the queue")
            listed = {event["task_id"]: event for event in rig.records.read("peek", rig.queue, 100)}
            assert set(sent) <= listed.keys()
            unseen = listed[sent[2]]
            assert unseen["kind"] == "task.enqueued"
            assert (unseen["queue"], unseen["source"]) == (rig.queue, "reconcile")
            assert unseen["name"].endswith("count")
            assert bool(unseen.get("args")) is self.opens_what_waits
            assert len(rig.records.read("peek", rig.queue, 1)) == 1
            after = self.facts(rig)
            assert after["depth"] == before["depth"] + 3, "looking takes nothing out"
        for task_id in sent:
            self.becomes(rig, task_id, State.SUCCEEDED)

    @proves("lookup", "pause")
    def test_the_store_knows_a_task_that_waits(self, rig: Rig) -> None:
        with self.paused(rig, 4):
            task_id = rig.send("count", "known")
            row = self.row(rig, task_id)
            told = rig.records.read("lookup", targets=[Target(task_id, name=row["name"], queue=row["queue"])])
            assert [event["kind"] for event in told] in (["task.enqueued"], []), told
        self.becomes(rig, task_id, State.SUCCEEDED)

    @proves("purge", "queues", "pause")
    def test_a_purge_throws_away_what_waits_in_one_queue(self, rig: Rig) -> None:
        with self.paused(rig, 5):
            for _ in range(3):
                rig.send("count", "purged")
            time.sleep(0.5)
            elsewhere = [facts for facts in rig.records.read("queues") if facts["name"] != rig.queue]
            answer = rig.records.ask("purge", Target(command="purge-1", item=1, queue=rig.queue))
            assert answer.outcome == Outcome.DONE, answer.detail
            assert any(character.isdigit() for character in answer.detail), "it says how many went"
            assert self.facts(rig)["depth"] == 0
            left = [facts for facts in rig.records.read("queues") if facts["name"] != rig.queue]
            assert [(one["name"], one["depth"]) for one in left] == [(one["name"], one["depth"]) for one in elsewhere]
        time.sleep(A_WHILE)
        assert not (rig.folder / "purged").exists()
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)

    @proves("purge")
    def test_a_purge_of_a_queue_that_is_not_there_harms_nothing(self, rig: Rig) -> None:
        answer = rig.records.ask("purge", Target(command="purge-2", item=1, queue="no-such-queue"))
        assert answer.outcome in (Outcome.DONE, Outcome.NOT_FOUND, Outcome.UNSUPPORTED)
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
