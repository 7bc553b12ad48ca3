"""What agents tell of schedules becomes rows: schedulers, schedules, and what became of each due time."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from z4j_core import timetable

from tests import wire as sent
from tests.cast import Cast
from tests.schedules.said import MINUTE, NOON, SECOND, at, fired, give, gone, listed, skipped, task, tick, told
from z4j_brain.agents.models import Agent, AgentKey, Quarantined
from z4j_brain.schedules import states
from z4j_brain.schedules.models import Run, Schedule, Scheduler
from z4j_brain.schedules.states import OWN, RunState, ScheduleState

OTHER = uuid.UUID("01900000-0000-7000-8000-0000000000aa")
HOUR = 60 * MINUTE


@pytest.fixture
def key(cast: Cast) -> AgentKey:
    return cast.agent_key()


def test_words_of_plans_are_those_of_the_wire():
    assert set(states.Plan.values) == set(timetable.Plan)
    assert set(states.Definition.values) == set(timetable.Definition)


def test_a_schedule_that_is_told_is_listed_with_its_next_time(key):
    give(key, told(args="(1,)", cannot={"schedule_edit": "It is in code."}))
    schedule = Schedule.objects.get()
    assert (schedule.source, schedule.key, schedule.task, schedule.engine) == (
        "celerybeat",
        "nightly",
        "shop.report",
        "celery",
    )
    assert (schedule.plan, schedule.cron, schedule.args, schedule.told_at) == ("cron", "0 * * * *", "(1,)", at(NOON))
    assert schedule.cannot == {"schedule_edit": "It is in code."}
    assert schedule.next_at and schedule.next_at.minute == 0 and schedule.version == 1


def test_telling_the_same_again_changes_nothing_and_an_older_telling_neither(key):
    give(key, told(NOON, cron="0 * * * *"))
    give(key, told(NOON + MINUTE, cron="0 * * * *"))
    give(key, told(NOON - MINUTE, cron="30 * * * *"))
    schedule = Schedule.objects.get()
    assert (schedule.version, schedule.cron, schedule.plan_from) == (1, "0 * * * *", at(NOON))


def test_an_edit_grows_the_version_and_counts_from_then_on(key):
    give(key, told(NOON), told(NOON + MINUTE, cron="30 * * * *"))
    schedule = Schedule.objects.get()
    assert (schedule.version, schedule.cron, schedule.counts_from) == (2, "30 * * * *", at(NOON + MINUTE))


def test_disabled_is_disabled_since_it_was_told_and_enabled_counts_anew(key):
    give(key, told(NOON), told(NOON + MINUTE, enabled=False))
    schedule = Schedule.objects.get()
    assert (schedule.state, schedule.disabled_at) == (ScheduleState.DISABLED, at(NOON + MINUTE))
    assert schedule.next_at is None
    give(key, told(NOON + 2 * MINUTE))
    schedule.refresh_from_db()
    assert (schedule.state, schedule.disabled_at) == (ScheduleState.ACTIVE, None)
    assert (schedule.counts_from, schedule.plan_from) == (at(NOON + 2 * MINUTE), at(NOON))


def test_what_is_gone_stays_known_and_comes_back_when_it_is_told(key):
    give(key, told(NOON), gone(NOON + MINUTE))
    assert Schedule.objects.get().state == ScheduleState.GONE
    give(key, gone(NOON + MINUTE), told(NOON + 2 * MINUTE))
    assert Schedule.objects.get().state == ScheduleState.ACTIVE


def test_what_a_listing_leaves_out_is_gone_unless_another_agent_tells_of_it(key):
    give(key, told(NOON, "mine"), told(NOON, "kept"))
    give(key, told(NOON, "theirs"), boot=OTHER)
    give(key, told(NOON + 10 * MINUTE, "kept"), listed(NOON + 9 * MINUTE))
    assert set(Schedule.objects.exclude(gone_at=None).values_list("key", flat=True)) == {"mine"}
    Agent.objects.filter(boot=OTHER).update(left_at=at(NOON))
    give(key, told(NOON + 20 * MINUTE, "kept"), listed(NOON + 19 * MINUTE))
    assert set(Schedule.objects.exclude(gone_at=None).values_list("key", flat=True)) == {"mine", "theirs"}


@pytest.mark.parametrize("ahead", [2 * MINUTE, 48 * HOUR])
def test_an_agent_whose_clock_is_ahead_does_not_take_away_what_it_lists(key, ahead):
    now = sent.now() + ahead
    give(key, told(now, "one"))
    give(key, told(now + 1, "two"))
    give(key, listed(now - SECOND, count=2))
    assert not Schedule.objects.exclude(gone_at=None).exists()
    assert all(schedule.counts_from <= timezone.now() for schedule in Schedule.objects.all())


def test_a_run_is_pending_until_its_task_has_ended(key):
    give(key, told(NOON), fired(NOON + HOUR + 2 * SECOND, "t1", due=NOON + HOUR), task("enqueued", NOON + HOUR, "t1"))
    run = Run.objects.get()
    assert (run.state, run.due_at, run.late_ms, run.moment) == (
        RunState.PENDING,
        at(NOON + HOUR),
        2000.0,
        at(NOON + HOUR),
    )
    give(key, task("succeeded", NOON + HOUR + 5 * SECOND, "t1", run=NOON + HOUR + 3 * SECOND, runtime_ms=1500))
    run.refresh_from_db()
    assert (run.state, run.runtime_ms, run.finished_at) == (RunState.OK, 1500, at(NOON + HOUR + 5 * SECOND))


def test_a_task_that_is_sent_again_and_again_under_one_id_is_a_run_each_time(key):
    first, second, third = NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR
    give(key, told(NOON), fired(first, "same", due=first), task("enqueued", first, "same"))
    give(key, task("succeeded", first + 5 * SECOND, "same", run=first + SECOND))
    give(key, fired(third, "same", due=third), task("enqueued", third, "same"))
    give(key, fired(second, "same", due=second), fired(first, "same", due=first), fired(third, "same", due=third))
    rows = list(Run.objects.order_by("due_at").values_list("due_at", "task_id", "state"))
    assert rows == [
        (at(first), "", RunState.OK),
        (at(second), "", RunState.UNKNOWN),
        (at(third), "same", RunState.PENDING),
    ]
    give(key, task("succeeded", third + 5 * SECOND, "same", run=third + SECOND))
    assert Run.objects.get(due_at=at(third)).state == RunState.OK
    assert list(Run.objects.order_by("due_at").values_list("state", flat=True)[:2]) == [RunState.OK, RunState.UNKNOWN]


def test_a_run_whose_task_failed_says_why(key):
    give(key, told(NOON), fired(NOON + HOUR, "t1"))
    give(key, task("failed", NOON + HOUR + SECOND, "t1", error={"type": "ValueError", "message": "no"}))
    assert Run.objects.values_list("state", "why").get() == (RunState.FAILED, "ValueError")


def test_the_task_may_have_ended_before_anybody_told_that_it_was_sent(key):
    give(key, {**task("succeeded", NOON + HOUR + SECOND, "t1"), "schedule": ""}, boot=OTHER)
    give(key, fired(NOON + HOUR, "t1"))
    assert Run.objects.get().state == RunState.OK
    assert Schedule.objects.get().told_at is None


def test_a_due_time_that_nobody_said_is_worked_out(key):
    give(key, told(NOON), fired(NOON + HOUR + 3 * SECOND, "t1"), fired(NOON + 2 * HOUR - SECOND // 2, "t2"))
    assert list(Run.objects.order_by("moment").values_list("task_id", "due_at", "late_ms")) == [
        ("t1", at(NOON + HOUR), 3000.0),
        ("t2", at(NOON + 2 * HOUR), 0.0),
    ]


def test_of_two_tasks_for_one_due_time_the_first_one_holds_it(key):
    give(key, told(NOON), fired(NOON + HOUR + 2 * SECOND, "t2"))
    give(key, fired(NOON + HOUR + SECOND, "t1"))
    assert dict(Run.objects.values_list("task_id", "due_at")) == {"t1": at(NOON + HOUR), "t2": None}


def test_what_somebody_asked_for_belongs_to_no_due_time(key):
    give(key, told(NOON), fired(NOON + HOUR + SECOND, "t1", asked=True), fired(NOON + HOUR + 2 * SECOND, "t2"))
    assert dict(Run.objects.values_list("task_id", "due_at")) == {"t1": None, "t2": at(NOON + HOUR)}


def test_a_due_time_that_was_skipped_says_why_and_yields_to_what_was_sent(key):
    give(key, told(NOON), skipped(NOON + HOUR, NOON + HOUR), skipped(NOON + 2 * HOUR, NOON + 2 * HOUR, "late"))
    assert list(Run.objects.order_by("moment").values_list("state", "why")) == [
        (RunState.SKIPPED, "The run before it had not finished."),
        (RunState.SKIPPED, "Its scheduler found it too late."),
    ]
    give(key, fired(NOON + HOUR + SECOND, "t1", due=NOON + HOUR))
    assert list(Run.objects.order_by("moment").values_list("state", flat=True)) == [RunState.PENDING, RunState.SKIPPED]


def test_a_run_overlaps_when_an_earlier_one_had_not_finished(key):
    give(key, told(NOON), fired(NOON, "t1", due=NOON), task("started", NOON + SECOND, "t1"))
    give(key, fired(NOON + HOUR, "t2", due=NOON + HOUR), fired(NOON + 2 * HOUR, "t3", due=NOON + 2 * HOUR))
    overlapped = Run.objects.filter(overlapped=True).values_list("task_id", flat=True)
    assert set(overlapped) == {"t2", "t3"}
    give(key, task("succeeded", NOON + HOUR + SECOND, "t1", run=NOON + SECOND))
    assert set(overlapped.all()) == {"t2"}
    give(key, task("succeeded", NOON + HOUR - SECOND, "t1", run=NOON + SECOND, attempt=1))
    assert set(overlapped.all()) == set()


def test_a_scheduler_is_alive_while_its_loop_turns(key):
    give(key, tick(NOON), tick(NOON + 10 * SECOND, version="5.7", pid=7), tick(NOON + 20 * MINUTE))
    scheduler = Scheduler.objects.get()
    assert scheduler.spans == [[NOON, NOON + 10 * SECOND], [NOON + 20 * MINUTE, NOON + 20 * MINUTE]]
    assert (scheduler.tick_at, scheduler.host, scheduler.is_alive) == (at(NOON + 20 * MINUTE), "host-1", False)


def test_nobody_tells_of_the_schedules_that_are_our_own(key):
    events = (told(NOON), fired(NOON, "t1"), skipped(NOON, NOON), tick(NOON), gone(NOON), listed(NOON))
    answer = give(key, *({**event, "engine": OWN} for event in events))
    assert answer["accepted"] == len(events)
    assert not (Schedule.objects.exists() or Run.objects.exists() or Scheduler.objects.exists())


@pytest.mark.parametrize(
    "event",
    [
        {**told(), "schedule": ""},
        {**told(), "engine": ""},
        told(task=None),
        told(enabled="yes"),
        told(cannot=["edit"]),
        told(next=-1),
        fired(NOON, ""),
        fired(NOON, "t1", engine=7),
        fired(NOON, "t1", due="noon"),
        {**skipped(NOON, NOON), "data": {"why": "late"}},
        {**tick(NOON), "data": {}},
        {**tick(NOON), "worker": ""},
        {**listed(NOON), "data": {"began": NOON}},
    ],
)
def test_an_event_that_says_too_little_is_set_aside(key, event):
    answer = give(key, event, told(NOON, "sound"))
    assert [one["code"] for one in answer["rejected"]] == ["field"] and answer["accepted"] == 1
    assert Quarantined.objects.count() == 1 and Schedule.objects.get().key == "sound"


def test_odd_facts_are_taken_for_what_can_be_known_of_them(key):
    give(key, told(plan="lunar", cron="when it rains", zone="Mars/Olympus", next=NOON + HOUR, extra=[1], every=0))
    schedule = Schedule.objects.get()
    assert (schedule.plan, schedule.next_at, schedule.every_us) == ("other", at(NOON + HOUR), None)


@st.composite
def histories(draw: Any) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """Of two agents: what is planned, what was sent and skipped, and how the tasks went, all within a few hours."""
    plan = draw(st.sampled_from(({}, {"plan": "interval", "every": 10 * MINUTE, "cron": ""}, {"cron": "*/10 * * * *"})))
    events = [told(NOON - MINUTE, **plan)]
    for number in range(draw(st.integers(1, 5))):
        when = NOON + draw(st.integers(0, 3)) * 10 * MINUTE + draw(st.integers(0, 2)) * SECOND
        due = draw(st.sampled_from(({}, {"due": when - when % (10 * MINUTE)}, {"asked": True})))
        events.append(fired(when, f"t{number}", **due))
        state = draw(st.sampled_from(("enqueued", "started", "succeeded", "failed")))
        events.append(task("enqueued", when, f"t{number}"))
        events.append(task(state, when + draw(st.integers(1, 20)) * MINUTE, f"t{number}", run=when + SECOND))
    for _ in range(draw(st.integers(0, 2))):
        events.append(skipped(NOON, NOON + draw(st.integers(0, 3)) * 10 * MINUTE))
    events += [told(NOON + 5 * MINUTE, **plan), tick(NOON), tick(NOON + MINUTE), tick(NOON + HOUR)]
    return [(draw(st.sampled_from((sent.BOOT, OTHER))), event) for event in events]


def rows(key: AgentKey) -> tuple[list[Any], list[Any], list[Any]]:
    """What an environment knows, without what only this database does."""
    here = {"environment": key.environment_id}
    runs = Run.objects.filter(**here).order_by("task_id", "due_at").values()
    schedules = Schedule.objects.filter(**here).values("key", "cron", "every_us", "told_at", "plan_from", "last_at")
    return (
        [{name: value for name, value in run.items() if not name.endswith("id") or name == "task_id"} for run in runs],
        list(schedules.order_by("key")),
        list(Scheduler.objects.filter(**here).values_list("name", "tick_at", "spans")),
    )


class AnyOrder(TestCase):
    @settings(max_examples=60)
    @given(history=histories(), order=st.randoms(use_true_random=False))
    def test_in_any_order_any_split_and_twice_it_is_the_same(self, history, order):
        cast = Cast.create()
        there, elsewhere = cast.agent_key(), cast.agent_key("harbor", "staging")
        for boot, event in history:
            give(there, event, boot=boot)
        again = history + order.sample(history, len(history) // 2)
        order.shuffle(again)
        while again:
            size = order.randint(1, len(again))
            piece, again = again[:size], again[size:]
            for boot in (sent.BOOT, OTHER):
                if events := [event for by, event in piece if by == boot]:
                    give(elsewhere, *events, boot=boot)

        assert rows(elsewhere) == rows(there)
