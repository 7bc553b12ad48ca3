"""The suite that each scheduler adapter inherits. It drives the real scheduler in a process of its own.

An adapter's test supplies a `rig` (see `SchedulerRig`):

    @pytest.fixture(scope="module")
    def rig(tmp_path_factory):
        with MyRig(tmp_path_factory.mktemp("rig")) as rig:
            yield rig

    class TestMyScheduler(SchedulerSuite):
        engine_class = MyScheduler

Which tests there are follows from the verbs that the adapter defines. A verb that the scheduler can do in a way of its
own alone is proved by a test of the adapter's own, marked `@proves("schedule_edit")`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from z4j_core import safety
from z4j_core.scheduler import Answer, Scheduler, Target, micros
from z4j_core.testing.needs import Fitted, proves
from z4j_core.testing.recording import PATIENCE, RecordingHost, Records, wait_for
from z4j_core.timetable import Definition, Plan, ScheduleFacts, Skip
from z4j_core.verbs import SCHEDULER_READS, SCHEDULER_VERBS
from z4j_core.wire import Kind, Outcome

__all__ = ["SchedulerRig", "SchedulerSuite", "proves"]

#: Part of an argument called `password` of the schedule `often`.
CANARY = "canary-4b7e21"
MADE = "made-by-people"


class SchedulerRig(Protocol):
    """One scheduler with its engine and its broker, all real, in a process whose adapter records into `folder`.

    It has two schedules at least: `often` fires every `period` seconds, with a keyword `password` that holds `CANARY`
    where its tasks take arguments; `rarely` not before tomorrow. What the tests change they change back.
    """

    folder: Path
    records: Records
    often: str
    rarely: str
    #: Seconds between two firings of `often` and of what `soon` plans, at most, and until a change has come about.
    period: float
    settles: float

    def scheduler(self) -> Scheduler:
        """A new adapter, not installed."""

    def fired(self, key: str) -> int:
        """How often the task of a schedule was sent, as the engine or the task itself tells, not the adapter."""

    def soon(self) -> dict[str, Any]:
        """The parameters of a plan that fires every `period` seconds: {"every": ...} or {"cron": ...}."""

    def creation(self) -> dict[str, Any]:
        """What `schedule_create` takes: `task` and `soon`, and arguments if it has to. `fired` counts it, too."""

    def restart(self) -> None:
        """End the scheduler as its owner would, and start it again."""

    def fingerprint(self) -> object:
        """All of the scheduler that an adapter may hook into, in this process, comparable with ==."""


class SchedulerSuite(Fitted):
    """Needs the fixture `rig`."""

    engine_class: ClassVar[type[Scheduler]]  # type: ignore[misc]

    # What it tells.

    @proves("schedules")
    def test_it_lists_its_schedules_with_plan_task_and_zone(self, rig: SchedulerRig) -> None:
        found = self.listed(rig)
        assert {rig.often, rig.rarely} <= found.keys()
        for facts in found.values():
            _check(facts)
            assert facts["engine"] == self.engine_class.engine

    @proves("running")
    def test_it_tells_that_its_loop_turns(self, rig: SchedulerRig) -> None:
        def tick() -> int:
            """0 while it is still about to run: one that was killed may hold its lock for a while."""
            [ticking] = rig.records.read("running")
            return ticking["tick"] if ticking else 0

        first = wait_for(tick, PATIENCE + rig.period, "a turn of the scheduler's loop")
        wait_for(lambda: tick() > first, PATIENCE + rig.period, "another turn of the scheduler's loop")

    def test_each_firing_is_told_with_its_task(self, rig: SchedulerRig) -> None:
        before = self.told_fired(rig, rig.often)
        wait_for(lambda: len(self.told_fired(rig, rig.often)) >= len(before) + 2, PATIENCE + 3 * rig.period, "firings")
        events = self.told_fired(rig, rig.often)
        assert len({event["task_id"] for event in events}) == len(events), "each task once"
        task = rig.records.events(task_id=events[-1]["task_id"], kind=Kind.TASK_ENQUEUED)
        assert any(event.get("schedule") == rig.often for event in task)
        assert all(event["data"]["engine"] == self.engine_class.engine for event in events)
        # One that starts anew within a due time may well fire it again, and that is told too: here it has run on.
        dues = [event["data"]["due"] for event in events[len(before) :] if "due" in event["data"]]
        assert dues == sorted(dues)
        assert len(set(dues)) == len(dues), "each due time once"
        assert all(abs(event["ts"] - event["data"]["due"]) < 60_000_000 for event in events if "due" in event["data"])

    def test_no_more_firings_are_told_than_there_were(self, rig: SchedulerRig) -> None:
        def even() -> bool:
            return len(self.told_fired(rig, rig.often)) == rig.fired(rig.often)

        wait_for(even, PATIENCE + 2 * rig.period, "as many firings told as there were")

    def test_a_secret_never_leaves(self, rig: SchedulerRig) -> None:
        facts = self.listed(rig)[rig.often]
        assert CANARY not in str(facts)
        assert CANARY not in rig.records.text()
        assert CANARY.encode() not in b"".join(path.read_bytes() for path in (rig.folder / "state").iterdir())

    # What it can be asked for.

    @proves("schedule_disable", "schedule_enable")
    def test_a_disabled_one_does_not_fire_also_after_a_restart_until_it_is_enabled(self, rig: SchedulerRig) -> None:
        self.done(rig, "schedule_disable", rig.often)
        try:
            wait_for(lambda: not self.listed(rig)[rig.often]["enabled"], what="it to be listed as disabled")
            self.done(rig, "schedule_disable", rig.often)
            assert self.is_quiet(rig, rig.often)
            rig.restart()
            assert not self.listed(rig)[rig.often]["enabled"]
            assert self.is_quiet(rig, rig.often)
        finally:
            self.done(rig, "schedule_enable", rig.often)
        self.done(rig, "schedule_enable", rig.often)
        wait_for(lambda: self.listed(rig)[rig.often]["enabled"], what="it to be listed as enabled")
        self.fires(rig, rig.often)

    @proves("schedule_edit")
    def test_an_edit_is_in_force_also_after_a_restart_and_the_code_is_still_told(self, rig: SchedulerRig) -> None:
        before = self.listed(rig)[rig.rarely]
        self.done(rig, "schedule_edit", rig.rarely, **rig.soon())
        try:
            self.fires(rig, rig.rarely)
            rig.restart()
            facts = self.listed(rig)[rig.rarely]
            _check(facts)
            assert facts["text"] != before["text"]
            if facts["definition"] == Definition.CODE:
                assert facts["code"] == before["text"]
            self.fires(rig, rig.rarely)
        finally:
            self.done(rig, "schedule_edit", rig.rarely, **_plan(before))
        wait_for(lambda: self.is_as(rig, before), what="the plan that it had before")

    @proves("schedule_edit")
    def test_a_plan_that_it_cannot_keep_is_refused_with_a_sentence_and_changes_nothing(self, rig: SchedulerRig) -> None:
        before = self.listed(rig)[rig.rarely]
        for plan in ({"cron": "61 * * * *"}, {"cron": "nonsense"}, {"every": -5}, {"cron": "1 2 * * *", "zone": "A/B"}):
            answer = self.ask(rig, "schedule_edit", rig.rarely, **plan)
            assert answer.outcome == Outcome.FAILED, (plan, answer)
            assert answer.detail.endswith(".")
        assert self.is_as(rig, before)

    @proves("schedule_create", "schedule_delete")
    def test_one_is_created_once_and_fires_and_is_deleted_for_good(self, rig: SchedulerRig) -> None:
        self.done(rig, "schedule_create", MADE, **rig.creation())
        try:
            again = self.ask(rig, "schedule_create", MADE, **rig.creation())
            assert again.outcome == Outcome.FAILED
            assert self.ask(rig, "schedule_create", MADE, again=True, **rig.creation()).outcome == Outcome.DONE
            wait_for(lambda: MADE in self.listed(rig), what="it to be listed")
            self.fires(rig, MADE)
            rig.restart()
            assert MADE in self.listed(rig)
            self.fires(rig, MADE)
        finally:
            self.done(rig, "schedule_delete", MADE)
        wait_for(lambda: MADE not in self.listed(rig), what="it to be gone")
        assert self.is_quiet(rig, MADE)
        assert self.ask(rig, "schedule_delete", MADE).outcome == Outcome.NOT_FOUND
        assert self.ask(rig, "schedule_delete", MADE, again=True).outcome == Outcome.DONE
        rig.restart()
        assert MADE not in self.listed(rig)

    @proves("schedule_run")
    def test_run_now_sends_its_task_once_and_moves_no_due_time(self, rig: SchedulerRig) -> None:
        before, count = self.listed(rig)[rig.rarely], rig.fired(rig.rarely)
        answer = self.done(rig, "schedule_run", rig.rarely)
        wait_for(lambda: rig.fired(rig.rarely) > count, PATIENCE + rig.settles, "its task")
        time.sleep(min(rig.period, 3.0))
        assert rig.fired(rig.rarely) == count + 1
        assert self.listed(rig)[rig.rarely].get("next") == before.get("next")
        told = self.told_fired(rig, rig.rarely)[-1]
        assert told["data"]["asked"] is True
        assert answer.new_task_id in (None, told["task_id"])

    def test_what_is_not_there_is_not_found(self, rig: SchedulerRig) -> None:
        for verb in SCHEDULER_VERBS:
            if self.engine_class.defines(verb) and verb != "schedule_create":
                params = rig.soon() if verb == "schedule_edit" else {}
                assert self.ask(rig, verb, "no such schedule", **params).outcome == Outcome.NOT_FOUND, verb

    # How it behaves as a guest.

    def test_what_it_cannot_do_it_says_with_a_reason(self, rig: SchedulerRig) -> None:
        scheduler = rig.scheduler()
        undefined = {name for name in SCHEDULER_VERBS if not scheduler.defines(name)}
        assert undefined <= scheduler.missing().keys()
        for verb in {*undefined, "no_such_verb"}:
            answer = scheduler.act(verb, Target(name=rig.often), {})
            assert answer.outcome == Outcome.UNSUPPORTED
            assert answer.detail.endswith("."), "a sentence"

    def test_every_verb_and_read_it_defines_is_proved_by_a_test(self) -> None:
        names = (*SCHEDULER_VERBS, *SCHEDULER_READS)
        assert {name for name in names if self.engine_class.defines(name)} - self.proved() == set()

    def test_uninstalling_leaves_the_scheduler_as_it_was(self, rig: SchedulerRig, tmp_path: Path) -> None:
        before = rig.fingerprint()
        scheduler = rig.scheduler()
        for _ in range(2):
            scheduler.install(RecordingHost(tmp_path))
            scheduler.install(RecordingHost(tmp_path))
            scheduler.uninstall()
            assert rig.fingerprint() == before

    def test_a_broken_agent_breaks_nothing(self, rig: SchedulerRig, tmp_path: Path) -> None:
        scheduler, before = rig.scheduler(), sum(safety.failures.values())
        scheduler.install(_Broken(tmp_path))
        try:
            scheduler.fired(rig.often, "task-1")
            scheduler.skipped(rig.often, 1, Skip.LATE)
        finally:
            scheduler.uninstall()
        assert sum(safety.failures.values()) > before

    # Words of the tests.

    def listed(self, rig: SchedulerRig) -> dict[str, ScheduleFacts]:
        return {key: facts for key, facts in rig.records.read("schedules")}  # noqa: C416 - from JSON: pairs are lists

    def ask(self, rig: SchedulerRig, verb: str, key: str, *, again: bool = False, **params: Any) -> Answer:
        target = Target(command=f"{verb}-{time.monotonic_ns()}", item=1, name=key, again=again)
        return rig.records.ask(verb, target, **params)

    def done(self, rig: SchedulerRig, verb: str, key: str, **params: Any) -> Answer:
        answer = self.ask(rig, verb, key, **params)
        assert answer.outcome == Outcome.DONE, (verb, key, answer)
        return answer

    def told_fired(self, rig: SchedulerRig, key: str) -> list[Any]:
        return [event for event in rig.records.events(kind=Kind.SCHEDULE_FIRED) if event["schedule"] == key]

    def fires(self, rig: SchedulerRig, key: str) -> None:
        count = rig.fired(key)
        wait_for(lambda: rig.fired(key) > count, PATIENCE + rig.settles + 2 * rig.period, f"{key} to fire")

    def is_quiet(self, rig: SchedulerRig, key: str) -> bool:
        """Whether it does not fire, once what was on its way has come."""
        time.sleep(rig.settles)
        count = rig.fired(key)
        time.sleep(1.5 * rig.period)
        return rig.fired(key) == count

    def is_as(self, rig: SchedulerRig, before: ScheduleFacts) -> bool:
        facts = self.listed(rig)[rig.rarely]
        return (facts["plan"], facts["text"], facts["zone"]) == (before["plan"], before["text"], before["zone"])


class _Broken(RecordingHost):
    """An agent in which everything goes wrong."""

    def emit(self, event: Mapping[str, Any]) -> None:
        raise RuntimeError("the agent is broken")


def _plan(facts: ScheduleFacts) -> dict[str, Any]:
    """As `schedule_edit` takes it."""
    if facts["plan"] == Plan.CRON:
        return {"cron": facts["cron"], "zone": facts["zone"]}
    return {"every": facts["every"]} if facts["plan"] == Plan.INTERVAL else {"at": facts["at"]}


def _check(facts: ScheduleFacts) -> None:
    """Each part is what `z4j_core.timetable` promises."""
    assert facts["plan"] in set(Plan)
    assert facts["definition"] in set(Definition)
    assert facts["task"]
    assert facts["text"]
    assert facts["zone"]
    match facts["plan"]:
        case Plan.CRON:
            assert len(facts["cron"].split()) in (5, 6), facts["cron"]
        case Plan.INTERVAL:
            assert facts["every"] > 0
        case Plan.ONCE:
            assert facts["at"] > 0
    if facts["enabled"] and "next" in facts and facts["plan"] != Plan.ONCE:
        assert facts["next"] > micros() - 120 * 1_000_000
    ZoneInfo(facts["zone"])
