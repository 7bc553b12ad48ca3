"""The verbs on a task: each one that an adapter defines changes the world."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from z4j_core.engine import Answer, Target
from z4j_core.testing.needs import needs, proves
from z4j_core.testing.recording import wait_for
from z4j_core.testing.rig import TAKEN, Rig, Suite
from z4j_core.wire import HELLO_NAME, Outcome, State

#: What a retry has in common with the task it repeats.
_KEPT = ("name", "queue", "priority", "args", "kwargs", "root_id")


class TasksSuite(Suite):
    @proves("retry")
    def test_a_retry_runs_the_task_again_with_its_arguments_and_is_linked(self, rig: Rig) -> None:
        first = rig.send("count", "retried")
        before = self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, "command-1", 1)
        answer = rig.records.ask("retry", target)
        assert (answer.outcome, answer.new_task_id) == (Outcome.DONE, target.new_task_id())
        row = self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert row["retry_of"] == first
        assert {name: row[name] for name in _KEPT} == {name: before[name] for name in _KEPT}
        assert len((rig.folder / "retried").read_text().splitlines()) == 2

    @proves("retry")
    def test_a_retry_delivered_twice_runs_once(self, rig: Rig) -> None:
        first = rig.send("count", "once")
        self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, "command-2", 1)
        answer = rig.records.ask("retry", target)
        assert answer.outcome == Outcome.DONE, answer.detail
        self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert rig.records.ask("retry", replace(target, again=True)) == answer
        time.sleep(1)
        assert len((rig.folder / "once").read_text().splitlines()) == 2

    @needs("vault")
    @proves("retry")
    def test_a_retry_works_from_what_was_sealed_when_the_vault_is_gone(self, rig: Rig) -> None:
        first = rig.send("count", "unsealed")
        before = self.becomes(rig, first, State.SUCCEEDED)
        assert rig.records.bring(first) == (self.engine_class.name, before["name"]), "what it is bound to"
        target = Target(first, "command-15", 1, before["name"], before["queue"])
        answer = rig.records.ask("retry", target)
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert {name: row[name] for name in _KEPT} == {name: before[name] for name in _KEPT}
        assert len((rig.folder / "unsealed").read_text().splitlines()) == 2

    @proves("retry")
    def test_a_retry_of_a_task_nobody_kept_is_answered_honestly(self, rig: Rig) -> None:
        assert rig.records.ask("retry", Target("never-seen", "command-3", 1)).outcome == Outcome.ARGS_UNAVAILABLE

    @proves("cancel")
    def test_a_waiting_task_that_is_cancelled_never_runs(self, rig: Rig) -> None:
        with self.held(rig, rig.slots):
            waiting = rig.send("count", "cancelled")
            self.becomes(rig, waiting, State.RECEIVED, State.QUEUED)
            assert rig.records.ask("cancel", Target(waiting, "command-4", 1)).outcome in TAKEN
        row = self.becomes(rig, waiting, State.CANCELLED)
        assert row["started_at"] is None
        assert not (rig.folder / "cancelled").exists()

    @proves("cancel")
    @needs("stopped_running")
    def test_a_running_task_that_is_cancelled_stops(self, rig: Rig) -> None:
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        assert rig.records.ask("cancel", Target(task_id, "command-5", 1)).outcome in TAKEN
        row = self.becomes(rig, task_id, State.CANCELLED)
        assert row["started_at"] is not None

    @proves("cancel")
    def test_cancelling_what_has_ended_says_so(self, rig: Rig) -> None:
        task_id = rig.send("ok", 1)
        self.becomes(rig, task_id, State.SUCCEEDED)
        assert rig.records.ask("cancel", Target(task_id, "command-6", 1)).outcome == Outcome.ALREADY_FINAL
        assert self.row(rig, task_id)["state"] == State.SUCCEEDED

    @needs("delay")
    @proves("cancel")
    def test_a_cancelled_task_that_waits_for_its_time_stays_cancelled_over_a_restart(self, rig: Rig) -> None:
        task_id = rig.send("count", "restarted", delay=8)
        self.becomes(rig, task_id, State.SCHEDULED)
        assert rig.records.ask("cancel", Target(task_id, "command-7", 1)).outcome in TAKEN
        rig.restart()
        self.becomes(rig, task_id, State.CANCELLED)
        assert not (rig.folder / "restarted").exists()

    @proves("retry")
    @needs("expires")
    def test_a_retry_of_a_task_that_expires_has_its_time_again(self, rig: Rig) -> None:
        first = rig.send("count", "in-time", expires=600)
        before = self.becomes(rig, first, State.SUCCEEDED)
        answer = rig.records.ask("retry", Target(first, "command-9", 1))
        row = self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert row["expires"] > before["expires"]

    @proves("retry")
    def test_a_failed_task_is_retried_with_its_arguments(self, rig: Rig) -> None:
        first = rig.send("fail", 7)
        before = self.becomes(rig, first, self.failed)
        answer = rig.records.ask("retry", Target(first, "command-10", 1))
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, answer.new_task_id or "", self.failed)
        assert (row["retry_of"], row["args"], row["error_type"]) == (first, before["args"], "ValueError")

    @proves("retry_with")
    def test_a_task_runs_again_with_other_arguments(self, rig: Rig) -> None:
        first = rig.send("count", "before")
        self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, "command-11", 1)
        given = (target, replace(target, again=True))
        answers = [rig.records.ask("retry_with", one, args=["after"], kwargs={}) for one in given]
        assert [answer.outcome for answer in answers] == [Outcome.DONE, Outcome.DONE]
        row = self.becomes(rig, answers[0].new_task_id or "", State.SUCCEEDED)
        assert row["retry_of"] == first
        assert len((rig.folder / "after").read_text().splitlines()) == 1
        assert len((rig.folder / "before").read_text().splitlines()) == 1

    @proves("run")
    def test_a_registered_task_runs_with_given_arguments(self, rig: Rig) -> None:
        name = self.known(rig)
        target = Target("", "command-20", 1, name=name)
        for again in (False, True):
            answer = rig.records.ask("run", replace(target, again=again), args=["ran-by-name"], kwargs={})
            assert (answer.outcome, answer.new_task_id) == (Outcome.DONE, target.new_task_id()), answer.detail
            row = self.becomes(rig, target.new_task_id(), State.SUCCEEDED)
        assert (row["name"], row["queue"], row["retry_of"]) == (name, rig.queue, "")
        assert row["args"]
        sent = rig.records.events(target.new_task_id(), "task.enqueued")
        assert "action" in [event.get("source") for event in sent]
        assert len((rig.folder / "ran-by-name").read_text().splitlines()) == 1

    @proves("run")
    def test_a_registered_task_runs_in_a_named_queue_with_named_arguments(self, rig: Rig) -> None:
        target = Target("", "command-21", 1, name=self.known(rig), queue=rig.queue)
        answer = rig.records.ask("run", target, args=[], kwargs={"name": "ran-by-keyword"})
        assert answer.outcome == Outcome.DONE, answer.detail
        assert self.becomes(rig, target.new_task_id(), State.SUCCEEDED)["queue"] == rig.queue
        assert (rig.folder / "ran-by-keyword").exists()

    @proves("run")
    @pytest.mark.parametrize("name", ["shop.no_such_task", "os.system", "no such name", "os"])
    def test_a_name_that_is_no_task_is_answered_with_a_sentence(self, rig: Rig, name: str) -> None:
        answer = rig.records.ask("run", Target("", "command-22", 1, name=name), args=["true"], kwargs={})
        assert answer.outcome == Outcome.NOT_FOUND, answer
        assert answer.detail.endswith(".")

    @proves("run")
    def test_a_worker_tells_which_tasks_it_has_and_what_they_take(self, rig: Rig) -> None:
        name = self.known(rig)
        self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        self.becomes(rig, rig.send("login", "ann", "secret"), self.failed)
        rig.restart()
        online = rig.records.events(kind="worker.online")[-1]
        told = {task["name"]: task for task in online["data"]["tasks"]}
        assert told[name]["params"] == [["name", "e", True]]
        login = next(task for known, task in told.items() if known.endswith("login"))
        assert login["params"] == [["user", "e", True], ["password", "e", True]], "what the engine gives is left out"
        assert [known for known in told if told[known].get("idempotent")] == [name.replace("count", "ok")]
        assert not [known for known in told if HELLO_NAME.fullmatch(known)]

    def known(self, rig: Rig) -> str:
        """The name of `count`, as the engine writes it, once it has run."""
        return self.becomes(rig, rig.send("count", "known-by-name"), State.SUCCEEDED)["name"]  # type: ignore[no-any-return]

    @proves("requeue")
    def test_what_the_engine_gave_up_goes_back_into_its_queue_under_its_own_id(self, rig: Rig) -> None:
        task_id = rig.send("fail", 7)
        row = self.becomes(rig, task_id, self.failed)
        assert rig.records.ask("requeue", Target("never-seen", "command-12", 1)).outcome == Outcome.NOT_FOUND
        starts = len(rig.records.events(task_id, "task.started"))
        target = Target(task_id, "command-13", 1, row["name"], row["queue"])
        answer = wait_for(lambda: _done(rig.records.ask("requeue", target)), what="a dead letter to requeue")
        assert answer.outcome == Outcome.DONE
        wait_for(lambda: len(rig.records.events(task_id, "task.started")) > starts, what="another run")
        self.becomes(rig, task_id, self.failed)

    @proves("lookup")
    def test_the_store_says_how_a_task_ended(self, rig: Rig) -> None:
        task_id = rig.send("ok", 1)
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        target = Target(task_id, name=row["name"], queue=row["queue"])
        told = wait_for(lambda: rig.records.read("lookup", targets=[target]), what="the store")
        assert [event["kind"] for event in told] == ["task.succeeded"]
        assert {event["task_id"] for event in told} == {task_id}
        assert rig.records.read("lookup", targets=[Target("never-seen")]) == []

    @proves("hello")
    def test_a_hello_goes_the_way_of_every_task(self, rig: Rig) -> None:
        answer = rig.records.ask("hello", Target(command="command-14", item=1))
        assert answer.outcome == Outcome.DONE, answer.detail
        row = self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert HELLO_NAME.fullmatch(row["name"]), "the brain tells the doctor of tasks by such a name only"


def _done(answer: Answer) -> Answer | None:
    """An engine may take a moment to put a task among its dead letters."""
    return answer if answer.outcome == Outcome.DONE else None
