"""Schedules of z4j's own are made and changed by those who may, in whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from tests.cast import Cast
from z4j_brain.ledger.models import Entry
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac import granting
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Effect, Permission
from z4j_brain.schedules import own
from z4j_brain.schedules.models import Schedule

USUAL = {"key": "report", "task": "shop.report", "engine": "celery"}
DAILY = {"cron": "30 7 * * 1-5", "zone": "Europe/Berlin"}


def create(cast: Cast, who: str = "adam", **told: Any) -> Schedule:
    return own.create(cast.production, USUAL | (told or DAILY), actor=cast.actor(who), reason="")


def faults(problem: Problem) -> dict[str, str]:
    return {fault["pointer"]: fault["detail"] for fault in problem.errors}


def test_a_schedule_is_made_with_its_next_time_and_its_words(cast):
    schedule = create(cast)
    assert (schedule.source, schedule.plan, schedule.text) == ("z4j", "cron", "Every weekday at 07:30")
    assert (schedule.catch_up, schedule.overlap, schedule.version, schedule.created_by) == ("skip", "allow", 1, "adam")
    assert schedule.next_at > timezone.now()
    assert Entry.objects.get(action="own_schedule.create").target_id == str(schedule.pk)


def test_what_is_stored_of_a_schedule_is_in_english_whoever_makes_it(cast):
    with translation.override("de"):
        assert create(cast).text == "Every weekday at 07:30"


def test_an_interval_counts_from_when_it_is_made_so_that_not_all_are_due_at_once(cast):
    before = timezone.now()
    schedule = create(cast, every=90)
    assert schedule.text == "Every 90 seconds"
    assert before + timedelta(seconds=90) <= schedule.next_at <= timezone.now() + timedelta(seconds=90)


def test_a_one_shot_takes_a_moment_or_what_the_clocks_of_its_zone_show(cast):
    tomorrow = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    assert create(cast, at=tomorrow.isoformat()).next_at == tomorrow
    local = create(cast, key="other", at="2038-07-01T12:00", zone="Europe/Berlin")
    assert local.next_at == datetime(2038, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "pointer", "sentence"),
    [
        ({"cron": "0 0 31 2 *"}, "#/cron", "It would never be due"),
        ({"cron": "* * *"}, "#/cron", "five fields"),
        ({"cron": 5}, "#/cron", "A text is needed"),
        ({"cron": "* * * * *", "zone": "Europe/Berln"}, "#/zone", "Did you mean Europe/Berlin?"),
        ({"every": 0.5}, "#/every", "from one second"),
        ({"every": -1}, "#/every", "from one second"),
        ({"every": float("inf")}, "#/every", "from one second to ten years"),
        ({"every": True}, "#/every", "A number"),
        ({"at": "2001-01-01T00:00Z"}, "#/at", "has passed"),
        ({"at": "soon"}, "#/at", "A time is needed"),
        ({"at": "2037-03-29T02:30", "zone": "Europe/Berlin"}, "#/at", "does not exist in Europe/Berlin"),
        ({"at": "2036-10-26T02:30", "zone": "Europe/Berlin"}, "#/at", "comes twice"),
        ({"every": 5, "cron": "* * * * *"}, "#/every", "Either cron or every"),
        ({"zone": "UTC"}, "#/cron", "Say when"),
        ({"every": 5, "args": {"a": 1}}, "#/args", "A list is needed"),
        ({"every": 5, "kwargs": [1]}, "#/kwargs", "An object is needed"),
        ({"every": 5, "args": ["x" * 20_000]}, "#/args", "At most 16,384"),
        ({"every": 5, "args": [float("nan")]}, "#/args", "JSON"),
        ({"every": 5, "kwargs": {"a": "\ud800"}}, "#/kwargs", "JSON"),
        ({"every": 5, "catch_up": "maybe"}, "#/catch_up", "One of skip, once, all"),
        ({"every": 5, "overlap": None}, "#/overlap", "One of allow, skip"),
        ({"every": 5, "grace": 0}, "#/grace", "from 1 to"),
        ({"every": 5, "key": ""}, "#/key", "This is needed"),
        ({"every": 5, "task": "a\nb"}, "#/task", "control characters"),
        ({"every": 5, "engine": "x" * 33}, "#/engine", "At most 32"),
        ({"every": 5, "version": 3}, "#/version", "Unknown field"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_nothing_is_made(cast, told, pointer, sentence):
    with pytest.raises(Problem) as refused:
        create(cast, **told)
    assert refused.value.status == 400
    assert sentence in faults(refused.value)[pointer]
    assert not Schedule.objects.exists()


def test_all_that_is_wrong_is_told_at_once(cast):
    with pytest.raises(Problem) as refused:
        create(cast, key="", cron="61 * * * *", overlap="no", nonsense=1)
    assert faults(refused.value).keys() == {"#/key", "#/cron", "#/overlap", "#/nonsense"}


def test_a_key_is_given_once_in_an_environment(cast):
    create(cast)
    with pytest.raises(Problem) as refused:
        create(cast)
    assert faults(refused.value) == {"#/key": "There is a schedule report already."}
    own.create(cast.staging, USUAL | DAILY, actor=cast.actor("adam"), reason="")


def test_an_edit_changes_what_it_names_and_a_new_plan_counts_from_now(cast):
    schedule = create(cast)
    changed = own.edit(schedule, {"queue": "mail", "every": 60}, 1, actor=cast.actor("adam"), reason="")
    assert (changed.plan, changed.cron, changed.queue, changed.version) == ("interval", "", "mail", 2)
    assert changed.task == "shop.report"
    assert changed.next_at <= timezone.now() + timedelta(seconds=60)
    same = own.edit(changed, {"kwargs": {"a": 1}}, 2, actor=cast.actor("adam"), reason="")
    assert (same.next_at, same.at, same.version) == (changed.next_at, changed.at, 3)


def test_of_two_edits_of_the_same_version_the_second_is_refused(cast):
    schedule = create(cast)
    own.edit(schedule, {"queue": "mail"}, 1, actor=cast.actor("adam"), reason="")
    with pytest.raises(Problem) as refused:
        own.edit(schedule, {"queue": "sms"}, 1, actor=cast.actor("olive"), reason="")
    assert refused.value.status == 412
    assert Schedule.objects.get().queue == "mail"


def test_an_edit_that_is_wrong_in_one_field_changes_nothing(cast):
    schedule = create(cast)
    with pytest.raises(Problem):
        own.edit(schedule, {"queue": "mail", "cron": "never"}, actor=cast.actor("adam"), reason="")
    schedule.refresh_from_db()
    assert (schedule.queue, schedule.version) == ("", 1)


def test_whoever_may_not_run_the_task_may_not_have_it_run_by_a_schedule_either(cast):
    granting.give(cast.harbor, cast.user("adam"), Permission.RUN, effect=Effect.DENY, task_glob="shop.*", actor=SYSTEM)
    with pytest.raises(Refused):
        create(cast)
    assert create(cast, task="other.report", **DAILY).pk


def test_operators_make_and_change_no_schedules(cast):
    with pytest.raises(Refused):
        create(cast, "oscar")
    with pytest.raises(Refused):
        own.edit(create(cast), {"queue": "mail"}, actor=cast.actor("oscar"), reason="")
