"""The pages of schedules: which there are and how they stand, what became of each run, and what can be asked of one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from tests.schedules import stage
from z4j_brain.ledger.models import Entry
from z4j_brain.operations.models import Operation
from z4j_brain.rbac.actor import Actor
from z4j_brain.schedules import dispatch, timeline, view
from z4j_brain.schedules.models import Run, Schedule, Scheduler

HERE = "/harbor/production/schedules/"


@pytest.fixture
def see(cast, client):
    """A page as one of the cast sees it: `see("vera", "?state=gone")`."""

    def see(who, path="", status=200):
        cast.sign_in(client, who)
        answer = client.get(f"{HERE}{path}")
        assert answer.status_code == status
        return answer.content.decode()

    return see


def scheduler(cast, heard=timedelta(0), source=stage.BEAT):
    then = timezone.now() - heard
    usual = {"name": "beat@box-1", "tick_at": then, "heard_at": then}
    return Scheduler.objects.create(environment=cast.production, source=source, **usual)


def run(schedule, state, age=timedelta(hours=1), **fields):
    due = timezone.now() - age
    usual = {"moment": due, "due_at": due, "environment": schedule.environment, "engine": schedule.engine}
    return Run.objects.create(schedule=schedule, state=state, **usual | fields)


def text(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_place_without_schedules_says_how_they_come_to_be_seen(see):
    assert "A scheduler with the agent in its process tells all of its schedules within seconds" in see("vera")


def test_the_list_says_when_in_words_by_the_clock_of_each(see, cast):
    scheduler(cast)
    due = timezone.now().replace(hour=1, minute=30, second=0, microsecond=0) + timedelta(days=1)
    stage.schedule(cast.production, cron="30 2 * * *", zone="Etc/GMT-1", next_at=due)

    told = text(see("vera"))

    assert "Every day at 02:30" in told and "30 2 * * *" in told
    assert f"{due:%a} {due.day} {due:%b} 02:30" in told, "01:30 in UTC is 02:30 there"


def test_each_stands_where_it_does_and_is_found_there(see, cast):
    scheduler(cast)
    stage.schedule(cast.production, "runs")
    stage.schedule(cast.production, "sleeps", enabled=False, disabled_by="oscar", disabled_reason="too loud")
    stage.schedule(cast.production, "went", gone_at=timezone.now())
    stage.schedule(cast.production, "unheard", source="nightcron")
    run(stage.schedule(cast.production, "broke"), "failed")

    def keys(state):
        return set(re.findall(r'<a href="[^"]*/schedules/\d+/">([^<]+)</a>', see("vera", f"?state={state}")))

    assert keys("disabled") == {"sleeps"}
    assert keys("gone") == {"went"}
    assert keys("silent") == {"unheard"}
    assert keys("trouble") == {"broke"}
    assert keys("active") == {"runs", "unheard", "broke"}
    told = text(see("vera"))
    assert "by oscar" in told and "too loud" in told
    assert "nightcron is not heard" in told


def test_each_run_is_a_mark_with_its_own_words_and_leads_to_its_task(see, cast):
    schedule = stage.schedule(cast.production)
    run(schedule, "ok", task_id="one", runtime_ms=812.0, late_ms=40.0)
    run(schedule, "ok", timedelta(hours=2), task_id="two", runtime_ms=900.0, late_ms=125_000.0, overlapped=True)
    run(schedule, "missed", timedelta(hours=3), times=3)
    run(schedule, "unknown", timedelta(hours=4))

    page = see("vera", f"{schedule.pk}/")

    assert "Last runs of nightly: 2 succeeded, 1 missed, 1 unknown, 1 overlapped, 1 late" in page
    assert 'href="/harbor/production/jump/?q=one"' in page
    assert "succeeded in 900 ms, 2 min 05 s late, overlapped the run before it" in page
    assert "missed, 3 due times on end" in page


def test_the_list_draws_the_marks_of_a_schedule_in_one_picture_with_a_path_for_each_kind(see, cast):
    schedule = stage.schedule(cast.production)
    for hour in range(6):
        run(schedule, "ok", timedelta(hours=hour), late_ms=125_000.0 if hour == 0 else None)
    run(schedule, "failed", timedelta(hours=7), overlapped=True)

    picture = see("vera").partition(f'id="schedule-{schedule.pk}"')[2].partition("</tr>")[0]

    assert "<title>6 succeeded, 1 failed, 1 overlapped, 1 late</title>" in picture
    drawn = dict(re.findall(r'<path class="([^"]+)" d="([^"]+)"/>', picture))
    assert list(drawn) == ["bar f-failed", "bar f-succeeded", "bar overlap", "late"]
    assert (drawn["bar f-failed"], drawn["bar overlap"], drawn["late"]) == ("M140 0v20", "M140 -1v5", "M176 15l3 6h-6z")
    assert drawn["bar f-succeeded"].count("M") == 6


def test_marks_of_many_cost_no_more_queries_than_of_one(see, cast, django_assert_max_num_queries):
    for number in range(12):
        for age in range(3):
            run(stage.schedule(cast.production, f"s{number}-{age}"), "ok", timedelta(hours=age + 1))
    see("vera")  # what is asked once and remembered

    with django_assert_max_num_queries(60):
        see("vera")


def test_runs_are_told_with_when_they_were_due_fired_and_how_late(see, cast):
    schedule = stage.schedule(cast.production)
    now = timezone.now()
    run(schedule, "failed", timedelta(minutes=5), fired_at=now, late_ms=300_000.0, runtime_ms=2_100.0, task_id="slow")
    run(schedule, "skipped", timedelta(hours=1), why="the run before it had not finished")

    told = text(see("vera", f"{schedule.pk}/"))

    assert "5 min 00 s" in told and "2.1 s" in told
    assert "Skipped the run before it had not finished" in told


def test_arguments_stay_hidden_until_somebody_asks_and_that_is_recorded(see, cast, client):
    schedule = stage.schedule(cast.production, args="('no-9',)", kwargs="{'to': 'vienna'}")
    hidden = see("vera", f"{schedule.pk}/")
    assert "no-9" not in hidden and "vienna" not in hidden and "Ask to show, recorded" in hidden

    assert client.post(f"{HERE}{schedule.pk}/show/", {"reason": "a customer calls"}).status_code == 302

    assert "no-9" in (shown := see("vera", f"{schedule.pk}/")) and "vienna" in shown
    assert Entry.objects.get(action="schedule.show").target_id == str(schedule.pk)
    client.post(f"{HERE}{schedule.pk}/hide/")
    assert "no-9" not in see("vera", f"{schedule.pk}/")


def test_no_list_and_no_timeline_tells_arguments(see, cast):
    stage.own(cast.production, args='["no-9"]')
    assert "no-9" not in see("olive") + see("olive", "next/")


def test_enable_and_disable_are_two_buttons_and_what_cannot_be_says_why(see, cast):
    stage.speaker(cast.production, verbs=("schedule_enable", "schedule_disable"))
    cannot = {"schedule_disable": "It is the one that beat runs by itself."}
    page = text(see("oscar", f"{stage.schedule(cast.production, 'own', cannot=cannot).pk}/"))

    assert "It is enabled already." in page
    assert "It is the one that beat runs by itself." in page
    assert "Run now: celerybeat cannot do this here." in page


def test_whoever_may_not_steer_has_no_button(see, cast):
    page = see("vera", f"{stage.schedule(cast.production).pk}/")
    assert "do-disable" not in page and "no-disable" not in page


def test_disabling_from_its_page_leads_back_to_it(see, cast, client):
    stage.speaker(cast.production)
    schedule = stage.own(cast.production, next_at=timezone.now())
    cast.sign_in(client, "oscar")
    until = f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"
    given = {"target": schedule.pk, "at_once": "1", "reason": "too loud", "until": until}

    answer = client.post("/harbor/production/operations/new/schedule.disable/", given, follow=True)

    told = text(answer.content.decode())
    assert answer.redirect_chain[-1][0] == f"{HERE}{schedule.pk}/"
    assert "Disabled by oscar" in told and "too loud" in told and "until" in told
    assert Operation.objects.get().action == "schedule.disable"


def test_what_is_live_and_differs_from_its_code_is_told(see, cast):
    schedule = stage.schedule(cast.production, code="0 4 * * *")
    assert "The code says 0 4 * * * , live is 0 3 * * * :" in text(see("vera", f"{schedule.pk}/"))


def test_what_changed_clocks_will_do_is_told_for_the_coming_year(see, cast):
    schedule = stage.schedule(cast.production, cron="30 2 * * *", zone="Europe/Vienna")
    told = text(see("vera", f"{schedule.pk}/"))
    assert "02:30 does not exist" in told and "02:30 comes twice" in told


def test_many_that_start_together_are_a_pile(cast):
    for number in range(6):
        stage.schedule(cast.production, f"backup-{number}")
    stage.schedule(cast.production, "often", cron="*/10 * * * *")
    here = view.schedules(Actor.of_user(cast.user("vera")), cast.production)

    found = timeline.of(here, timezone.now())

    pile = found.piles[0]
    assert (pile.start.hour, pile.start.minute, pile.count) == (3, 0, 7)
    assert [one.key for one in pile.names][:2] == ["backup-0", "backup-1"], "what starts all the time makes no pile"
    assert len(found.lanes) == 7 and found.most == 7


def test_a_schedule_of_its_own_is_made_on_a_page(see, cast, client):
    cast.sign_in(client, "olive")
    wrong = {
        "key": "bills",
        "task": "",
        "engine": "celery",
        "when": "cron",
        "cron": "99 * * * *",
        "args": "{",
        "zone": "UTC",
    }
    refused = client.post(f"{HERE}new/", wrong)
    told = refused.content.decode()
    assert refused.status_code == 400 and 'aria-describedby="args-help args-error"' in told

    wrong |= {"args": "[]", "task": "shop.bill"}
    assert 'aria-describedby="cron-error"' in client.post(f"{HERE}new/", wrong).content.decode()

    right = wrong | {"cron": "0 3 * * 1-5", "args": "[42]", "kwargs": '{"to": "all"}', "catch_up": "once"}
    assert client.post(f"{HERE}new/", right).status_code == 302
    made = Schedule.objects.get(key="bills")
    assert (made.source, made.cron, made.args, made.created_by) == ("z4j", "0 3 * * 1-5", "[42]", "olive")


def test_of_two_who_edit_the_second_is_told_and_loses_nothing(see, cast, client):
    schedule = stage.own(cast.production)
    cast.sign_in(client, "olive")
    form = {"key": "report", "task": "shop.report", "engine": "celery", "when": "cron", "zone": "UTC", "version": "1"}
    assert client.post(f"{HERE}{schedule.pk}/edit/", form | {"cron": "0 5 * * *"}).status_code == 302

    second = client.post(f"{HERE}{schedule.pk}/edit/", form | {"cron": "0 6 * * *"})

    told = second.content.decode()
    assert second.status_code == 412
    assert "somebody has changed report since you opened this page" in told
    assert 'value="0 6 * * *"' in told and "Every day at 05:00" in told
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.args) == ("0 5 * * *", "[7]"), "empty arguments stay as they are"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("when=cron&cron=0+3+*+*+1-5&zone=Europe/Vienna", "Every weekday at 03:00"),
        ("when=interval&every=15&unit=60&zone=UTC", "Every 15 minutes"),
        ("when=cron&cron=0+0+30+2+*&zone=UTC", "never"),
        ("when=cron&cron=0+3+*+*+*&zone=Europe/Wien", "There is no time zone Europe/Wien."),
        ("when=once&at=2027-03-28T02:30&zone=Europe/Vienna", "does not exist"),
    ],
)
def test_a_plan_is_told_in_words_while_it_is_typed(see, query, told):
    assert told in text(see("olive", f"words/?{query}"))


def test_a_crontab_is_looked_at_first_and_then_imported_or_not_at_all(see, cast, client):
    cast.sign_in(client, "olive")
    crontab = "CRON_TZ=Europe/Vienna\n0 3 * * * shop.bill\n*/5 * * * * shop.tidy [1]\n"
    bad = client.post(f"{HERE}import/", {"text": f"{crontab}0 25 * * * shop.never\n", "engine": "celery", "look": "1"})
    assert "Line 4" in bad.content.decode() and 'id="import"' not in bad.content.decode()

    looked = client.post(f"{HERE}import/", {"text": crontab, "engine": "celery", "look": "1"})
    assert "Import 2 schedules" in looked.content.decode()
    assert not Schedule.objects.exists()

    assert client.post(f"{HERE}import/", {"text": crontab, "engine": "celery"}).status_code == 302
    assert set(Schedule.objects.values_list("key", "zone")) == {
        ("shop.bill", "Europe/Vienna"),
        ("shop.tidy", "Europe/Vienna"),
    }


def test_the_overview_leads_to_schedules_in_trouble(see, cast, client):
    scheduler(cast, heard=timedelta(minutes=10))
    run(stage.schedule(cast.production), "missed")
    cast.sign_in(client, "vera")

    told = text(client.get("/harbor/production/").content.decode())

    assert "1 schedule did not run as it should" in told
    assert "celerybeat is not heard any more" in told


def test_what_schedules_fire_does_not_bury_what_people_asked_for(see, cast, client):
    stage.own(cast.production, next_at=timezone.now())
    assert dispatch.fire(cast.production) == 1
    task = rows.task(cast.production)
    rows.operation(cast.production, [task], reason="once more")
    cast.sign_in(client, "vera")

    asked, fired = (client.get(f"/harbor/production/operations/{tab}").content.decode() for tab in ("", "?by=z4j"))

    assert "once more" in asked and "Fire 1 firing" not in asked
    assert "Fire 1 firing" in fired and "once more" not in fired
    overview = client.get("/harbor/production/").content.decode()
    assert "Fire 1 firing" not in overview


def test_a_schedule_of_another_tenant_is_not_there(see, cast):
    other = stage.schedule(cast.island)
    for page in ("", "show/", "edit/"):
        see("olive", f"{other.pk}/{page}", 404)
