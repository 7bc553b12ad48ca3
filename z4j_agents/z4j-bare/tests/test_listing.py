"""Which schedules there are, told when they change, and a scheduler that shows that it is alive."""

from __future__ import annotations

from typing import ClassVar

import pytest
from z4j_core import wire
from z4j_core.scheduler import Answer, Scheduler, Target, micros
from z4j_core.timetable import Plan

NIGHTLY = {
    "task": "shop.close", "engine": "toy", "plan": Plan.CRON, "text": "0 3 * * *", "cron": "0 3 * * *",
    "zone": "UTC", "enabled": True, "definition": "code",
}  # fmt: skip


class Toycron(Scheduler):
    """A scheduler whose store is a dictionary."""

    name: ClassVar[str] = "toycron"
    engine: ClassVar[str] = "toy"

    def __init__(self) -> None:
        self.store = {"nightly": dict(NIGHTLY)}
        self.down: Exception | None = None
        self.ticks: int | None = None

    def running(self):
        return None if self.ticks is None else {"tick": self.ticks}

    def schedules(self):
        if self.down:
            raise self.down
        return [(key, dict(facts)) for key, facts in self.store.items()]

    def schedule_disable(self, target, params):
        self.store[target.name]["enabled"] = False
        return Answer(wire.Outcome.DONE)


@pytest.fixture
def toycron():
    return Toycron()


@pytest.fixture
def listing(toycron, brain, make_agent, monkeypatch, wait_for):
    """The agent of a scheduler's process, which looks ten times a second."""
    monkeypatch.setattr("z4j_bare.listing.EVERY", 0.1)
    monkeypatch.setattr("z4j_bare.listing.BEAT_EVERY", 0.1)
    agent = make_agent()
    agent.add(toycron)
    agent.role("scheduler", "beat@h")
    wait_for(lambda: of(brain, "schedule.listed"))
    return agent


def of(brain, kind):
    return [event for event in brain.stored.values() if event["kind"] == kind]


def test_a_schedule_is_told_when_it_is_new_or_another_and_when_it_is_gone(listing, toycron, brain, wait_for):
    [told] = of(brain, "schedule.told")
    assert (told["engine"], told["schedule"], told["data"]) == ("toycron", "nightly", NIGHTLY)
    assert of(brain, "schedule.listed")[0]["data"]["count"] == 1
    toycron.store["nightly"]["next"] = micros()
    toycron.store["hourly"] = {**NIGHTLY, "text": "0 * * * *", "cron": "0 * * * *"}
    wait_for(lambda: len(of(brain, "schedule.told")) == 2)
    assert of(brain, "schedule.told")[1]["schedule"] == "hourly"
    toycron.store["hourly"]["enabled"] = False
    wait_for(lambda: len(of(brain, "schedule.told")) == 3)
    assert of(brain, "schedule.told")[2]["data"]["enabled"] is False
    del toycron.store["hourly"]
    wait_for(lambda: [event["schedule"] for event in of(brain, "schedule.gone")] == ["hourly"])
    assert len(of(brain, "schedule.told")) == 3, "a next time that follows from its plan is no news"
    assert len(of(brain, "schedule.listed")) == 1


def test_all_of_them_are_told_again_now_and_then(monkeypatch, toycron, brain, make_agent, wait_for):
    monkeypatch.setattr("z4j_bare.listing.EVERY", 0.1)
    monkeypatch.setattr("z4j_bare.listing.ALL_EVERY", 0.3)
    agent = make_agent()
    agent.add(toycron)
    agent.role("scheduler", "beat@h")
    wait_for(lambda: len(of(brain, "schedule.listed")) >= 3)
    assert len(of(brain, "schedule.told")) >= 3


def test_a_scheduler_is_alive_where_it_runs_and_nowhere_else(listing, toycron, brain, wait_for):
    assert of(brain, "scheduler.heartbeat") == []
    toycron.ticks = 77
    wait_for(lambda: of(brain, "scheduler.heartbeat"))
    beat = of(brain, "scheduler.heartbeat")[0]
    assert (beat["engine"], beat["worker"], beat["data"]["tick"]) == ("toycron", "beat@h", 77)


def test_a_store_that_is_gone_is_told_as_a_problem_until_it_is_back_and_takes_no_schedule_away(
    listing, toycron, brain, wait_for
):
    def problems():
        latest = max(of(brain, "agent.online"), key=lambda event: event["seq"])
        return [problem["code"] for problem in latest["data"]["problems"]]

    toycron.down = ConnectionError("redis://user:secret@store")
    wait_for(lambda: problems() == ["broker_down"])
    toycron.down = None
    wait_for(lambda: problems() == [])
    assert of(brain, "schedule.gone") == []
    assert "secret" not in str(list(brain.stored.values()))


def test_a_scheduler_stands_among_the_engines_with_what_it_can_and_is_asked_like_one(listing, toycron, brain, wait_for):
    online = max(of(brain, "agent.online"), key=lambda event: event["seq"])
    [facts] = [engine for engine in online["data"]["engines"] if engine["name"] == "toycron"]
    assert set(facts["capabilities"]) == {"running", "schedules", "schedule_disable"}
    assert "schedule_disable" in online["data"]["allowed"]
    assert "schedule_delete" in online["data"]["refused"]
    answer = listing.adapters["toycron"].act("schedule_disable", Target(name="nightly"), {})
    assert answer.outcome == wire.Outcome.DONE
    wait_for(lambda: [event["data"]["enabled"] for event in of(brain, "schedule.told")] == [True, False])


def test_a_scheduler_inside_a_worker_takes_nothing_away_from_it(toycron, brain, make_agent, wait_for):
    agent = make_agent()
    agent.add(toycron)
    agent.role("worker", "w@h")
    agent.role("scheduler", "beat@h")
    wait_for(lambda: len(of(brain, "agent.online")) >= 2)
    assert {event["data"]["role"] for event in of(brain, "agent.online")} == {"worker"}
