"""How an adapter behaves as a guest: what it tells, what never leaves, what it costs, what it leaves behind."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from z4j_core import policy, safety
from z4j_core.engine import Engine, Target
from z4j_core.policy import Mode
from z4j_core.testing.needs import proves
from z4j_core.testing.recording import POLICY, RecordingHost
from z4j_core.testing.rig import Rig, Suite
from z4j_core.verbs import READS, VERBS
from z4j_core.wire import Outcome, State

CANARY = "canary-9d1f7c"
#: How often the hooks' cost is measured, and the most it may be: so many times an event as JSON.
ROUNDS, MOST = 4, 60


class BehaviourSuite(Suite):
    @proves("worker")
    def test_a_worker_tells_what_it_is(self, rig: Rig) -> None:
        online = rig.records.events(kind="worker.online")[-1]
        facts = online["data"]
        assert online["worker"]
        assert facts["pid"] == online["pid"]  # type: ignore[typeddict-item]
        assert facts["concurrency"]["size"] == rig.size
        assert facts["queues"]

    @pytest.mark.parametrize("mode", [Mode.REDACT, Mode.SHAPES])
    def test_a_secret_never_leaves(self, rig: Rig, mode: str) -> None:
        rig.restart(mode)
        secret = f"{CANARY}-{mode}"
        task_id = rig.send("login", "ann", secret, headers={"authorization": f"Bearer {secret}"})
        row = self.becomes(rig, task_id, self.failed)
        assert row["args"]
        assert secret not in rig.records.text()
        assert CANARY.encode() not in b"".join(path.read_bytes() for path in (rig.folder / "state").iterdir())

    def test_a_policy_tightens_what_leaves_of_some_tasks_and_a_rule_what_leaves_of_all(self, rig: Rig) -> None:
        secret = f"{CANARY}-policy"
        said: dict[str, Any] = {"mode": "redact", "default": "redact", "tasks": [["*login", "shapes"]], "seal_key": ""}
        said["rules"] = [{"id": "canary", "kind": "text", "match": f"{CANARY}-@+", "tasks": ""}]
        (rig.folder / POLICY).write_text(json.dumps({**said, "version": policy.version(said)}))
        try:
            rig.restart(Mode.REDACT)
            row = self.becomes(rig, rig.send("login", "ann", secret), self.failed)
            assert "str[3]" in row["args"]
            assert "ann" not in row["args"]
            row = self.becomes(rig, rig.send("count", secret), State.SUCCEEDED)
            assert "[redacted:canary]" in row["args"]
            assert secret not in rig.records.text()
        finally:
            (rig.folder / POLICY).unlink()

    def test_what_the_hooks_cost(self, rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Counted in what an event as JSON costs here and now, so that a busy machine tells the same."""
        run, engine = rig.cycle(), rig.engine()
        rounds = [_round(run, engine, tmp_path) for _ in range(ROUNDS)]
        event, bare, hooked = (min(costs) for costs in zip(*rounds, strict=True))
        told = f"{bare:.0f} us a task without hooks, {hooked - bare:+.0f} us with them, an event as JSON {event:.0f} us"
        with capsys.disabled():
            print(f"\n  {engine.name}: {told}")  # noqa: T201
        assert hooked - bare < MOST * event

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

    def test_every_verb_and_read_it_defines_is_proved_by_a_test(self) -> None:
        defined = {name for name in (*VERBS, *READS) if self.engine_class.defines(name)}
        assert defined - self.proved() == set()

    def test_what_it_cannot_do_it_says_with_a_reason_and_without_side_effects(self, rig: Rig) -> None:
        engine = rig.engine()
        undefined = {name for name in VERBS if not engine.defines(name)}
        assert undefined <= engine.missing().keys()
        for verb in {*undefined, "no_such_verb"}:
            answer = engine.act(verb, Target("t", "command-8", 1), {})
            assert answer.outcome == Outcome.UNSUPPORTED
            assert answer.detail.endswith("."), "a sentence"

    @proves("advice")
    def test_its_advice_names_what_will_hurt_and_what_to_write_instead(self, rig: Rig) -> None:
        for advice in rig.engine().advice():
            assert advice.code
            assert advice.text
            assert advice.fix


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


def _round(run: Callable[[], object], engine: Engine, folder: Path) -> tuple[float, float, float]:
    """Microseconds for an event as JSON, for a task without the hooks, and for one with them."""
    event = json.dumps({"kind": "task.started", "data": {"args": ["shape"] * 20, "kwargs": {"order": "1" * 500}}})
    alone = _median(lambda: json.dumps(json.loads(event))), _median(run)
    engine.install(_Deaf(folder))
    try:
        return *alone, _median(run)
    finally:
        engine.uninstall()


def _median(run: Callable[[], object], times: int = 100) -> float:
    """Microseconds of processor time."""
    costs = []
    for _ in range(times):
        start = time.thread_time_ns()
        run()
        costs.append((time.thread_time_ns() - start) / 1000)
    return statistics.median(costs)
