"""The suite that each engine adapter inherits. It drives the real engine over its real broker.

An adapter's test supplies a `rig`: how to start the engine, send a task and look at it.

    @pytest.fixture(scope="module")
    def rig(tmp_path_factory):
        with CeleryRig(tmp_path_factory.mktemp("rig")) as rig:
            yield rig

    class TestCelery(EngineSuite):
        pass

The rig's app has these tasks: `ok(x)` returns; `fail(x)` raises ValueError; `flaky(times)` fails that often and is
tried again 2 times at most, a second later; `slow(seconds)` sleeps; `die()` kills its own process; `login(user,
password)` raises an error that holds its password; `count(name)` appends a line to the file `name` in the rig's folder.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from z4j_core import safety
from z4j_core.conformance.recording import RecordingHost, Records, wait_for
from z4j_core.engine import VERBS, Engine, Target
from z4j_core.fold import Row, fold, order_key
from z4j_core.walk import REDACT, SHAPES
from z4j_core.wire import FINAL, RANK, Event, Outcome, State

CANARY = "canary-9d1f7c"


class Rig(Protocol):
    """One engine with its broker and one worker of two slots, all real."""

    folder: Path
    records: Records

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Send a task; the id. Options every engine has: `delay` and `expires` in seconds, `headers`."""

    def engine(self) -> Engine:
        """A new adapter, not installed."""

    def cycle(self) -> Callable[[], object]:
        """Runs one `ok` task in this process through the engine's own execution path, and returns its result."""

    def fingerprint(self) -> object:
        """All of the engine that an adapter may hook into, comparable with ==."""

    def restart(self, mode: str = SHAPES) -> None:
        """Stop the worker as its owner would, and start it again with this redaction mode."""


class EngineSuite:
    """Needs the fixture `rig`."""

    def row(self, rig: Rig, task_id: str) -> Row:
        events = [(order_key(event, "boot"), event) for event in rig.records.events(task_id)]
        return fold(None, sorted(events, key=lambda pair: pair[0]))

    def becomes(self, rig: Rig, task_id: str, *states: State, timeout: float = 20) -> Row:
        def reached() -> Row | None:
            row = self.row(rig, task_id)
            return row if row["state"] in states and rig.records.events(task_id) else None

        what = f"{' or '.join(states)}; told so far: {[event['kind'] for event in rig.records.events(task_id)]}"
        return wait_for(reached, timeout, what)  # type: ignore[no-any-return]

    # Golden traces.

    def test_a_task_that_succeeds(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("ok", 1), State.SUCCEEDED)
        assert row["name"].endswith("ok")
        assert row["queue"]
        assert row["worker"]
        assert row["first_at"] <= row["started_at"] <= row["finished_at"]
        assert row["runtime_ms"] is not None
        assert row["vault"], "its original was kept"
        assert row["error_type"] == ""

    def test_a_task_that_fails(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("fail", 7), State.FAILED)
        assert (row["error_type"], row["error_reason"]) == ("ValueError", "exception")
        assert "in fail" in row["traceback"]
        assert row["attempt"] == 0

    def test_a_task_that_is_tried_three_times(self, rig: Rig) -> None:
        task_id = rig.send("flaky", 2)
        row = self.becomes(rig, task_id, State.SUCCEEDED)
        assert row["attempt"] == 2
        assert [event["attempt"] for event in rig.records.events(task_id, "task.retrying")] == [0, 1]
        assert row["error_type"] == "", "the errors belong to earlier attempts"

    def test_a_task_that_runs_out_of_attempts(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("flaky", 9), State.FAILED)
        assert row["attempt"] == 2
        assert row["error_type"]

    def test_a_delayed_task_waits_and_then_runs(self, rig: Rig) -> None:
        task_id = rig.send("ok", 1, delay=2)
        row = self.becomes(rig, task_id, State.SCHEDULED)
        assert row["eta"] > row["first_at"]
        done = self.becomes(rig, task_id, State.SUCCEEDED)
        assert done["started_at"] >= row["eta"] - 100_000

    def test_a_task_that_expires_before_it_runs(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("ok", 1, expires=-1), State.EXPIRED)
        assert row["started_at"] is None

    def test_a_task_that_no_worker_knows(self, rig: Rig) -> None:
        row = self.becomes(rig, rig.send("unheard_of"), State.FAILED)
        assert row["error_reason"] == "unknown_task"

    def test_a_task_whose_process_is_killed(self, rig: Rig) -> None:
        task_id = rig.send("die")
        row = self.becomes(rig, task_id, State.FAILED, timeout=30)
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

    # Verbs: each one that is offered changes the world.

    def test_a_retry_runs_the_task_again_with_its_arguments_and_is_linked(self, rig: Rig) -> None:
        self.offers(rig, "retry")
        first = rig.send("count", "retried", expires=600)
        before = self.becomes(rig, first, State.SUCCEEDED)
        target = Target(first, "command-1", 1)
        answer = rig.records.ask("retry", target)
        assert (answer.outcome, answer.new_task_id) == (Outcome.DONE, target.new_task_id())
        row = self.becomes(rig, answer.new_task_id or "", State.SUCCEEDED)
        assert row["retry_of"] == first
        assert {name: row[name] for name in _KEPT} == {name: before[name] for name in _KEPT}
        assert row["expires"] > before["expires"]
        assert len((rig.folder / "retried").read_text().splitlines()) == 2

    def test_a_retry_delivered_twice_runs_once(self, rig: Rig) -> None:
        self.offers(rig, "retry")
        first = rig.send("count", "once")
        self.becomes(rig, first, State.SUCCEEDED)
        answers = [rig.records.ask("retry", Target(first, "command-2", 1)) for _ in range(2)]
        assert [answer.outcome for answer in answers] == [Outcome.DONE, Outcome.DONE]
        self.becomes(rig, answers[0].new_task_id or "", State.SUCCEEDED)
        time.sleep(1)
        assert len((rig.folder / "once").read_text().splitlines()) == 2

    def test_a_retry_of_a_task_nobody_kept_is_answered_honestly(self, rig: Rig) -> None:
        self.offers(rig, "retry")
        assert rig.records.ask("retry", Target("never-seen", "command-3", 1)).outcome == Outcome.ARGS_UNAVAILABLE

    def test_a_waiting_task_that_is_cancelled_never_runs(self, rig: Rig) -> None:
        self.offers(rig, "cancel")
        busy = [rig.send("slow", 4) for _ in range(2)]
        for task_id in busy:
            self.becomes(rig, task_id, State.STARTED)
        waiting = rig.send("count", "cancelled")
        self.becomes(rig, waiting, State.RECEIVED, State.QUEUED)
        assert rig.records.ask("cancel", Target(waiting, "command-4", 1)).outcome in _TAKEN
        row = self.becomes(rig, waiting, State.CANCELLED)
        assert row["started_at"] is None
        assert not (rig.folder / "cancelled").exists()

    def test_a_running_task_that_is_cancelled_stops(self, rig: Rig) -> None:
        self.offers(rig, "cancel")
        task_id = rig.send("slow", 60)
        self.becomes(rig, task_id, State.STARTED)
        assert rig.records.ask("cancel", Target(task_id, "command-5", 1)).outcome in _TAKEN
        row = self.becomes(rig, task_id, State.CANCELLED)
        assert row["started_at"] is not None

    def test_cancelling_what_has_ended_says_so(self, rig: Rig) -> None:
        self.offers(rig, "cancel")
        task_id = rig.send("ok", 1)
        self.becomes(rig, task_id, State.SUCCEEDED)
        assert rig.records.ask("cancel", Target(task_id, "command-6", 1)).outcome == Outcome.ALREADY_FINAL
        assert self.row(rig, task_id)["state"] == State.SUCCEEDED

    def test_a_cancelled_task_that_waits_for_its_time_stays_cancelled_over_a_restart(self, rig: Rig) -> None:
        self.offers(rig, "cancel")
        task_id = rig.send("count", "restarted", delay=8)
        self.becomes(rig, task_id, State.SCHEDULED)
        assert rig.records.ask("cancel", Target(task_id, "command-7", 1)).outcome in _TAKEN
        rig.restart()
        self.becomes(rig, task_id, State.CANCELLED, timeout=30)
        assert not (rig.folder / "restarted").exists()

    def test_a_verb_that_is_not_offered_is_answered_without_side_effects(self, rig: Rig) -> None:
        engine = rig.engine()
        for verb in {*VERBS, "purge"} - engine.capabilities().keys():
            assert engine.act(verb, Target("t", "command-8", 1), {}).outcome == Outcome.UNSUPPORTED

    # Facts, secrets, cost, safety.

    def test_a_worker_tells_what_it_is(self, rig: Rig) -> None:
        online = rig.records.events(kind="worker.online")[-1]
        facts = online["data"]
        assert online["worker"]
        assert facts["pid"] == online["pid"]  # type: ignore[typeddict-item]
        assert facts["concurrency"]["size"] == 2
        assert facts["queues"]

    @pytest.mark.parametrize("mode", [REDACT, SHAPES])
    def test_a_secret_never_leaves(self, rig: Rig, mode: str) -> None:
        rig.restart(mode)
        secret = f"{CANARY}-{mode}"
        task_id = rig.send("login", "ann", secret, headers={"authorization": f"Bearer {secret}"})
        row = self.becomes(rig, task_id, State.FAILED)
        assert row["args"]
        assert secret not in rig.records.text()
        assert CANARY.encode() not in b"".join(path.read_bytes() for path in (rig.folder / "state").iterdir())

    def test_what_the_hooks_cost(self, rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run = rig.cycle()
        bare = _median(run)
        engine = rig.engine()
        engine.install(_Deaf(tmp_path))
        try:
            hooked = _median(run)
        finally:
            engine.uninstall()
        with capsys.disabled():
            print(f"\n  {engine.name}: {bare:.0f} us a task without hooks, {hooked - bare:+.0f} us with them")  # noqa: T201
        assert hooked - bare < 1000

    def test_a_broken_agent_does_not_break_a_task(self, rig: Rig, tmp_path: Path) -> None:
        run = rig.cycle()
        expected = run()
        engine = rig.engine()
        engine.install(_Broken(tmp_path))
        before = sum(safety.failures.values())
        try:
            assert run() == expected
        finally:
            engine.uninstall()
        assert sum(safety.failures.values()) > before

    def test_uninstalling_leaves_the_engine_as_it_was(self, rig: Rig, tmp_path: Path) -> None:
        before = rig.fingerprint()
        engine = rig.engine()
        for _ in range(2):
            engine.install(RecordingHost(tmp_path))
            engine.install(RecordingHost(tmp_path))
            assert rig.fingerprint() != before
            engine.uninstall()
            assert rig.fingerprint() == before

    def offers(self, rig: Rig, verb: str) -> None:
        engine = rig.engine()
        if verb not in engine.capabilities():
            pytest.skip(f"{engine.name} cannot {verb}")


_TAKEN = (Outcome.REQUESTED, Outcome.DONE)
#: What a retry has in common with the task it repeats.
_KEPT = ("name", "queue", "priority", "args", "kwargs", "root_id")


class _Deaf(RecordingHost):
    """Redacts, and forgets."""

    def emit(self, event: Mapping[str, Any]) -> None: ...

    def keep(self, task_id: str, blob: bytes) -> str:
        return ""


class _Broken(RecordingHost):
    """An agent in which everything goes wrong."""

    def emit(self, event: Mapping[str, Any]) -> None:
        raise RuntimeError("the agent is broken")

    def keep(self, task_id: str, blob: bytes) -> str:
        raise RuntimeError("the agent is broken")


def _ends(event: Event) -> bool:
    kind = event["kind"].removeprefix("task.")
    return kind in FINAL and RANK[State(kind)] == 100


def _median(run: Callable[[], object], times: int = 400) -> float:
    """Microseconds of processor time."""
    costs = []
    for _ in range(times):
        start = time.thread_time_ns()
        run()
        costs.append((time.thread_time_ns() - start) / 1000)
    return statistics.median(costs)
