"""What people ask of schedules: told to whoever can, done at once where it is ours, and shown once it is done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from tests import wire as sent
from tests.schedules.stage import BEAT, answer, own, schedule, speaker
from z4j_brain.ledger.models import Entry
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions as steering
from z4j_brain.operations.models import Command
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.models import ApprovalPolicy
from z4j_brain.schedules import actions
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.tasks.ingest import ingest


@pytest.fixture
def place(cast):
    return cast.production


@pytest.fixture
def oscar(cast):
    return cast.actor("oscar")


@pytest.fixture
def adam(cast):
    return cast.actor("adam")


def test_disabling_goes_to_the_agent_that_told_of_it_and_shows_once_it_is_done(place, oscar):
    teller, other = speaker(place, name="beat-1"), speaker(place, name="beat-2")
    row = schedule(place, agent=teller)
    until = (timezone.now() + timedelta(hours=2)).isoformat()

    operation = actions.disable(place, [row.pk], {"until": until}, actor=oscar, reason="month end")
    assert answer(other) == []
    [command] = answer(teller)
    row.refresh_from_db()
    operation.refresh_from_db()

    assert (command["engine"], command["verb"], command["params"]) == ("celerybeat", "schedule_disable", {})
    assert command["targets"][0]["name"] == "nightly"
    assert (operation.state, row.enabled, row.disabled_by, row.disabled_reason) == (
        "succeeded", False, "oscar", "month end",
    )  # fmt: skip
    assert row.disabled_until is not None and row.disabled_until.isoformat() == until and row.next_at is None


def test_what_an_agent_could_not_do_leaves_the_schedule_as_it_is(place, oscar):
    agent, row = speaker(place), schedule(place)

    operation = actions.disable(place, [row.pk], actor=oscar)
    answer(agent, "failed", detail="the store said no")
    row.refresh_from_db()
    operation.refresh_from_db()

    assert (operation.state, row.enabled, row.version) == ("failed", True, 1)


def test_enabling_begins_to_count_anew(place, oscar):
    agent = speaker(place)
    row = schedule(place, enabled=False, disabled_by="mara", disabled_at=timezone.now())
    before = row.counts_from

    actions.enable(place, [row.pk], actor=oscar)
    answer(agent)
    row.refresh_from_db()

    assert row.enabled and row.disabled_by is None and row.next_at and row.counts_from > before


def test_run_now_is_a_run_that_says_who_asked_for_it(place, oscar):
    agent, row = speaker(place), schedule(place)

    operation = actions.run(place, [row.pk], actor=oscar, reason="the customer waits")
    [command] = answer(agent, new_task_id="t-1")
    [run] = Run.objects.filter(schedule=row)

    assert command["verb"] == "schedule_run"
    assert (run.asked, run.task_id, run.engine, run.operation, run.due_at) == (True, "t-1", "celery", operation, None)


def test_z4j_s_own_are_changed_at_once_and_without_an_agent(place, oscar, adam):
    row = own(place)

    disabled = actions.disable(place, [row.pk], actor=oscar, reason="quiet")
    row.refresh_from_db()
    assert (disabled.state, row.enabled, row.disabled_reason) == ("succeeded", False, "quiet")

    assert actions.enable(place, [row.pk], actor=oscar).state == "succeeded"
    row.refresh_from_db()
    assert row.enabled and row.next_at

    assert actions.delete(place, [row.pk], actor=adam).state == "succeeded"
    assert not Schedule.objects.filter(pk=row.pk).exists() and not Command.objects.exists()
    phases = Entry.objects.filter(action="schedule.delete").order_by("pk").values_list("phase", "outcome")
    assert list(phases) == [("request", "allowed"), ("result", "succeeded")]


def test_z4j_s_own_is_run_by_an_agent_of_its_engine_with_its_own_arguments(place, oscar):
    agent, row = speaker(place), own(place, queue="slow")

    actions.run(place, [row.pk], actor=oscar)
    [command] = answer(agent, new_task_id="t-2")

    params = {"args": [7], "kwargs": {"to": "all"}, "queue": "slow", "schedule": "report"}
    assert (command["engine"], command["verb"], command["params"]) == ("celery", "run", params)
    assert (command["targets"][0]["name"], command["targets"][0]["queue"]) == ("shop.report", "slow")
    assert Run.objects.get(schedule=row).task_id == "t-2"


def test_one_operation_takes_in_those_of_a_scheduler_and_our_own(place, oscar):
    agent, native, ours = speaker(place), schedule(place), own(place)

    operation = actions.disable(place, [native.pk, ours.pk], actor=oscar)
    assert (operation.state, operation.succeeded) == ("pending", 1)
    answer(agent)
    operation.refresh_from_db()

    assert (operation.state, operation.succeeded) == ("succeeded", 2)
    assert not Schedule.objects.filter(enabled=True).exists()


def test_taken_back_before_a_second_person_agreed_nothing_of_our_own_is_done(place, adam, cast):
    ApprovalPolicy.objects.filter(environment=place).update(rules={"schedule.delete": 0})
    row = own(place)

    operation = actions.delete(place, [row.pk], actor=adam)
    assert operation.state == "awaiting_approval"
    taken = steering.cancel(operation, actor=adam)

    assert (taken.state, Schedule.objects.filter(pk=row.pk).exists()) == ("cancelled", True)


def test_our_own_is_deleted_once_a_second_person_agrees(place, adam, cast):
    ApprovalPolicy.objects.filter(environment=place).update(rules={"schedule.delete": 0})
    row = own(place)
    operation = actions.delete(place, [row.pk], actor=adam)
    done = steering.approve(operation, actor=cast.actor("olive"), reason="yes")

    assert (done.state, Schedule.objects.filter(pk=row.pk).exists()) == ("succeeded", False)


def test_an_edit_travels_as_the_scheduler_takes_it_and_another_zone_is_another_plan(place, adam):
    agent, row = speaker(place), schedule(place)

    actions.edit(place, [row.pk], {"zone": "Europe/Berlin", "args": [1]}, actor=adam)
    [command] = answer(agent)
    row.refresh_from_db()

    assert command["params"] == {"cron": "0 3 * * *", "zone": "Europe/Berlin", "args": [1]}
    assert (row.zone, row.version, Command.objects.get().params) == ("Europe/Berlin", 2, {})


def test_of_two_edits_at_once_the_second_is_told_so(place, adam):
    speaker(place)
    row = schedule(place)
    actions.edit(place, [row.pk], {"cron": "0 4 * * *", "version": 1}, actor=adam)

    with pytest.raises(Problem) as said:
        actions.edit(place, [row.pk], {"cron": "0 5 * * *", "version": 1}, actor=adam)

    assert (said.value.status, Command.objects.count()) == (412, 1)


def test_a_schedule_is_made_in_its_scheduler_and_listed_at_once(place, adam):
    agent = speaker(place)
    schedule(place, "other")

    actions.create(place, ["celerybeat/weekly"], {"task": "shop.tidy", "cron": "0 5 * * 1"}, actor=adam)
    [command] = answer(agent)
    made = Schedule.objects.get(key="weekly")

    assert (command["verb"], command["targets"][0]["name"]) == ("schedule_create", "weekly")
    assert command["params"] == {"task": "shop.tidy", "cron": "0 5 * * 1", "zone": "UTC"}
    assert (made.source, made.created_by, made.task) == ("celerybeat", "adam", "shop.tidy") and made.next_at


@pytest.mark.parametrize(
    ("agent", "row", "left_out", "says"),
    [
        ({}, {"cannot": {"schedule_run": "It has no task any more."}}, "unsupported", "It has no task any more."),
        ({"verbs": ("schedule_enable",)}, {}, "unsupported", "celerybeat cannot do this"),
        ({"allowed": ["run"]}, {}, "refused", "Z4J_ALLOW"),
        ({"refused": {"schedule_run": "Not here: ask mara."}, "allowed": []}, {}, "refused", "ask mara"),
        ({"seen_at": timezone.now() - timedelta(minutes=5)}, {}, "agent_offline", "Start the process it is in"),
        ({}, {"gone_at": timezone.now()}, "vanished", "has it no more"),
    ],
)
def test_what_cannot_be_done_says_why(place, oscar, agent, row, left_out, says):
    speaker(place, **agent)
    there = schedule(place, **row)

    operation = actions.run(place, [there.pk], actor=oscar)
    [item] = operation.items.all()

    assert (operation.succeeded, item.left_out) == (0, left_out) and says in item.detail


def test_what_its_scheduler_has_no_more_is_forgotten_when_it_is_deleted(place, adam):
    row = schedule(place, gone_at=timezone.now())

    assert actions.delete(place, [row.pk], actor=adam).state == "succeeded"
    assert not Schedule.objects.filter(pk=row.pk).exists()


def test_while_the_environment_is_frozen_nothing_is_asked_nor_done(place, oscar):
    speaker(place)
    now = timezone.now()
    rows.freeze(place, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))

    for row in (schedule(place), own(place)):
        with pytest.raises(Refused) as said:
            actions.disable(place, [row.pk], actor=oscar)
        assert said.value.rule == "frozen" and Schedule.objects.get(pk=row.pk).enabled


def test_what_the_agent_tells_next_counts_more(place, oscar, cast):
    agent, row = speaker(place), schedule(place)
    actions.disable(place, [row.pk], actor=oscar)
    answer(agent)
    facts = {"task": "shop.bill", "engine": "celery", "plan": "cron", "cron": "0 3 * * *", "text": "0 3 * * *"}
    facts |= {"zone": "UTC", "enabled": True, "definition": "store"}
    event = {"seq": 5, "kind": "schedule.told", "ts": sent.now(), "engine": BEAT, "schedule": "nightly"}

    ingest(cast.agent_key(), sent.parsed(event | {"data": facts}, boot=agent.boot, role="scheduler"))
    row.refresh_from_db()

    assert row.enabled and row.disabled_by is None


def test_whose_role_lacks_it_is_refused_and_that_is_on_record(place, oscar, cast):
    row = own(place)

    for who, verb in (("vera", actions.disable), ("oscar", actions.delete)):
        with pytest.raises(Refused) as said:
            verb(place, [row.pk], actor=cast.actor(who))
        assert said.value.rule == "role_lacks"

    assert Entry.objects.filter(outcome="refused", action__startswith="schedule.").count() == 2
    assert Schedule.objects.get(pk=row.pk).enabled


def test_the_same_wish_twice_is_asked_once(place, oscar):
    agent, row = speaker(place), schedule(place)
    actions.run(place, [row.pk], actor=oscar)

    again = actions.run(place, [row.pk], actor=oscar)

    assert [item.left_out for item in again.items.all()] == ["already_asked"]
    assert len(answer(agent)) == 1
