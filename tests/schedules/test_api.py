"""Schedules over the API: what is told of them, and how they are steered, changed, made, taken in and out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.schedules.stage import BEAT, answer, own, schedule, speaker
from z4j_brain.ledger.models import Entry
from z4j_brain.operations.models import Operation
from z4j_brain.rbac.granted import Grant
from z4j_brain.schedules.models import Run, Schedule, Scheduler

HERE = "/api/v1/harbor/production/schedules/"


@pytest.fixture
def get(client, cast):
    return lambda path="", who="vera", **query: client.get(f"{HERE}{path}", query, **cast.bearer(who))


@pytest.fixture
def send(client, cast):
    def send(method, path="", who="adam", headers=None, **body):
        told = json.dumps(body)
        return client.generic(
            method, f"{HERE}{path}", told, content_type="application/json", headers=headers or {}, **cast.bearer(who)
        )

    return send


def run(row, minutes, **fields):
    moment = timezone.now() - timedelta(minutes=minutes)
    here = {"environment": row.environment, "schedule": row, "moment": moment, "due_at": moment}
    return Run.objects.create(**here | {"state": "ok"} | fields)


def test_a_schedule_is_told_with_its_next_times_its_last_run_and_what_can_be_done(get, cast):
    agent = speaker(cast.production, verbs=("schedule_enable", "schedule_run"))
    row = schedule(
        cast.production, zone="Europe/Berlin", args="[1]", agent=agent, cannot={"schedule_run": "Not alone."}
    )
    run(row, 60)
    last = run(row, 30, state="missed")

    answered = get(f"{row.pk}/", "oscar")
    shown = answered.json()

    assert answered["ETag"] == '"1"'
    assert (shown["name"], shown["source"], shown["state"], shown["disabled"]) == ("nightly", BEAT, "active", None)
    assert len(shown["next"]) == 5 and all(moment[11:] in ("02:00:00Z", "01:00:00Z") for moment in shown["next"])
    assert shown["words"] and shown["last_run"]["id"] == last.pk and shown["args"] == "[1]"
    can = shown["capabilities"]
    assert can["enable"] == {"can": True, "why": "", "note": "by schedule_enable"}
    assert can["run"]["why"] == "Not alone." and "cannot do this" in can["disable"]["why"]
    assert can["delete"] == {"can": False, "why": "You may not create, change and delete schedules.", "note": ""}
    assert get(f"{row.pk}/", "audrey").json()["args"] is None


def test_a_list_is_narrowed_and_refuses_what_it_does_not_know(get, cast):
    place = cast.production
    schedule(place), own(place), schedule(place, "old", gone_at=timezone.now())
    schedule(place, "off", enabled=False, queue="fast")
    Scheduler.objects.create(environment=place, source=BEAT, name="beat-1", tick_at=timezone.now())

    def keys(**query):
        return sorted(one["key"] for one in get(**query).json()["results"])

    assert keys() == ["nightly", "off", "old", "report"]
    assert keys(source="z4j") == ["report"] and keys(state="gone") == ["old"] and keys(queue="fast") == ["off"]
    assert keys(enabled="false") == ["off"] and keys(state="active") == ["nightly", "report"]
    assert keys(search="night") == ["nightly"] and keys(task__in="shop.report,x") == ["report"]
    for query in ({"colour": "red"}, {"enabled": "perhaps"}, {"state": "odd"}, {"source__like": "z"}):
        said = get(**query)
        assert (said.status_code, said.json()["errors"][0]["pointer"]) == (400, next(iter(query)))


def test_a_list_costs_the_same_however_long_it_is(get, cast):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get().status_code == 200
        return len(captured)

    run(schedule(cast.production, "first"), 5)
    get()
    few = queries()
    for number in range(10):
        run(schedule(cast.production, f"more-{number}"), 5)

    assert queries() == few


def test_runs_are_told_page_by_page_the_latest_first(get, cast):
    row, other = schedule(cast.production), schedule(cast.production, "other")
    made = [run(row, minutes).pk for minutes in (5, 1, 9, 3)]
    run(other, 2)

    first = get(f"{row.pk}/runs/", page_size=3).json()
    rest = get(f"{row.pk}/runs/?{first['next'].partition('?')[2]}").json()

    assert [one["id"] for one in first["results"] + rest["results"]] == [made[1], made[3], made[0], made[2]]
    assert get(f"{row.pk}/runs/", state="missed").json()["results"] == []
    assert get(f"{row.pk}/runs/", late="1").status_code == 400


@pytest.mark.parametrize("verb", ["enable", "disable", "run"])
def test_a_verb_is_an_operation_with_an_address_and_counts_once_under_its_key(send, cast, verb):
    agent, row = speaker(cast.production), schedule(cast.production)

    first = send("POST", f"{row.pk}/{verb}/", "oscar", {"Idempotency-Key": "k"}, reason="month end")
    again = send("POST", f"{row.pk}/{verb}/", "oscar", {"Idempotency-Key": "k"}, reason="month end")

    assert first.status_code == 202 and first.json()["id"] == again.json()["id"]
    assert first["Location"].endswith(f"/operations/{first.json()['id']}/")
    [command] = answer(agent)
    assert command["verb"] == f"schedule_{verb}" and Operation.objects.get().state == "succeeded"
    assert send("POST", f"{row.pk}/{verb}/", "vera").status_code == 403
    assert Entry.objects.filter(action=f"schedule.{verb}", outcome="refused").exists()


def test_disabling_until_a_moment_that_is_over_is_a_mistake(send, cast):
    row = schedule(cast.production)

    said = send("POST", f"{row.pk}/disable/", until="2020-01-01T00:00:00Z")

    assert (said.status_code, said.json()["errors"][0]["pointer"]) == (400, "#/until")


def test_what_is_gone_is_a_conflict_that_says_so(send, cast):
    row = schedule(cast.production, gone_at=timezone.now())

    for method, path in (("POST", "enable/"), ("POST", "run/"), ("PATCH", "")):
        said = send(method, f"{row.pk}/{path}", headers={"If-Match": "*"}, **({} if path else {"queue": "x"}))
        assert (said.status_code, said.json()["code"]) == (409, "vanished") and "no more" in said.json()["detail"]
    assert send("DELETE", f"{row.pk}/").status_code == 202
    assert not Schedule.objects.exists()


def test_one_of_our_own_is_made_changed_and_deleted(send, cast):
    plan = {"cron": "30 2 * * *", "zone": "Europe/Berlin"}

    made = send("POST", key="bills", engine="celery", task="shop.bill", args=[1], reason="new", **plan)
    assert made.status_code == 201 and made["ETag"] == '"1"'
    shown = made.json()
    assert (shown["source"], shown["created_by"], shown["args"]) == ("z4j", "adam (all)", "[1]")
    assert any("does not exist" in notice for notice in shown["notices"])

    assert send("PATCH", f"{shown['id']}/", every=90).status_code == 428
    changed = send("PATCH", f"{shown['id']}/", headers={"If-Match": made["ETag"]}, every=90)
    assert (changed.status_code, changed["ETag"], changed.json()["every"]) == (200, '"2"', 90.0)
    late = send("PATCH", f"{shown['id']}/", headers={"If-Match": made["ETag"]}, every=30)
    assert (late.status_code, late.json()["errors"][0]["pointer"]) == (412, "If-Match")

    assert send("DELETE", f"{shown['id']}/").json()["state"] == "succeeded"
    assert not Schedule.objects.exists()


def test_one_of_a_scheduler_is_made_and_changed_by_operations(send, cast):
    agent, row = speaker(cast.production), schedule(cast.production)

    made = send("POST", source=BEAT, key="weekly", task="shop.tidy", cron="30 2 * * *", zone="Europe/Berlin")
    assert (made.status_code, made.json()["action"]) == (202, "schedule.create")
    assert any("02:30 does not exist" in notice for notice in made.json()["notices"])
    changed = send("PATCH", f"{row.pk}/", headers={"If-Match": '"1"'}, every=60, kwargs={"secret": "x"})
    assert changed.status_code == 202 and "x" not in json.dumps(changed.json()["options"]["kwargs"])
    assert send("PATCH", f"{row.pk}/", headers={"If-Match": '"1"'}, every=30).status_code == 412

    verbs = {command["verb"]: command["params"] for command in answer(agent) + answer(agent)}
    assert verbs["schedule_edit"] == {"every": 60_000_000, "kwargs": {"secret": "x"}}
    assert Schedule.objects.get(key="weekly").created_by == "adam (all)"
    row.refresh_from_db()
    assert (row.plan, row.every_us, row.cron) == ("interval", 60_000_000, "")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"cron": "0 0 31 2 *"}, "#/cron"),
        ({"cron": "0 0 * *"}, "#/cron"),
        ({"cron": "0 0 * * *", "zone": "Europe/Atlantis"}, "#/zone"),
        ({"cron": "0 0 * * *", "every": 5}, "#/every"),
        ({"every": 0}, "#/every"),
        ({"at": "2027-03-28T02:30", "zone": "Europe/Berlin"}, "#/at"),
        ({"at": "2027-10-31T02:30", "zone": "Europe/Berlin"}, "#/at"),
        ({"at": "2020-01-01T00:00:00Z"}, "#/at"),
        ({"at": "soon"}, "#/at"),
        ({"cron": "0 0 * * *", "colour": "red"}, "#/colour"),
        ({"cron": "0 0 * * *", "args": {}}, "#/args"),
        ({}, "#/cron"),
    ],
)
@pytest.mark.parametrize("source", ["z4j", BEAT])
def test_a_plan_that_cannot_be_kept_is_pointed_at_and_nothing_is_half_done(send, cast, source, body, pointer):
    speaker(cast.production)
    schedule(cast.production)
    engine = {"engine": "celery"} if source == "z4j" else {}

    said = send("POST", source=source, key="new", task="shop.tidy", **engine, **body)

    assert said.status_code == 400
    assert pointer in [fault["pointer"] for fault in said.json()["errors"]]
    assert Schedule.objects.count() == 1 and not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"), [({"source": "noscheduler"}, "#/source"), ({"source": BEAT, "key": "nightly"}, "#/key")]
)
def test_a_scheduler_that_nobody_knows_and_a_key_that_is_taken_are_pointed_at(send, cast, body, pointer):
    schedule(cast.production)

    said = send("POST", **{"key": "new", "task": "shop.tidy", "cron": "0 0 * * *"} | body)

    assert (said.status_code, said.json()["errors"][0]["pointer"]) == (400, pointer)


def test_operations_take_schedules_by_a_filter(client, cast):
    agent = speaker(cast.production)
    schedule(cast.production), schedule(cast.production, "other"), own(cast.production)
    body = {"action": "schedule.disable", "filter": {"source__in": f"{BEAT},z4j"}, "options": {}, "reason": "a sale"}

    def post(path, body):
        path = f"/api/v1/harbor/production/operations/{path}"
        return client.post(path, json.dumps(body), content_type="application/json", **cast.bearer("oscar"))

    preview = post("preview/", {name: body[name] for name in ("action", "filter", "options")}).json()
    assert (preview["matching"], preview["able"]) == (3, 3)
    assert [share["value"] for share in preview["by"]["source"]] == [BEAT, "z4j"]
    assert post("", body).status_code == 202
    answer(agent)
    assert not Schedule.objects.filter(enabled=True).exists()
    wrong = post("preview/", body | {"filter": {"colour": "red"}} | {})
    assert wrong.status_code == 400


def test_a_crontab_comes_in_whole_and_goes_out_as_it_came(send, get, cast):
    text = "\n".join(
        [
            "MAILTO=ops@example.com",
            "CRON_TZ=Europe/Berlin",
            '#: {"key": "bills", "queue": "slow"}',
            '0 3 * * 1-5 shop.bill [42] {"currency": "eur"}',
            "# a word",
            "#- @daily shop.tidy",
            "*/10 * * * * * shop.beat",
        ]
    )

    dry = send("POST", "import/", text=text, engine="celery", dry_run=True)
    assert dry.status_code == 200 and not Schedule.objects.exists()
    assert [one["key"] for one in dry.json()["schedules"]] == ["bills", "shop.tidy", "shop.beat"]
    assert dry.json()["notices"] == ["Line 1: MAILTO means nothing here."]
    assert send("POST", "import/", text=text, engine="celery").status_code == 201
    assert [one.enabled for one in Schedule.objects.order_by("pk")] == [True, False, True]

    out = get("export/", "adam", format="crontab").content.decode()
    assert '0 3 * * 1-5 shop.bill [42] {"currency": "eur"}' in out and "#- @daily shop.tidy" in out
    Schedule.objects.all().delete()
    assert send("POST", "import/", text=out).status_code == 201
    assert get("export/", "adam").content.decode() == out
    assert "42" not in get("export/", "audrey").content.decode(), "nor does it tell what its reader may not see"


def test_with_one_line_wrong_nothing_of_a_crontab_comes_in(send, cast):
    own(cast.production, "taken")
    wrong = ["0 0 31 2 * shop.never", "0 1 * * * /usr/bin/backup --all", '#: {"key": "taken"}', "0 1 * * * a.b"]
    text = "\n".join(["0 3 * * * shop.bill", *wrong])

    said = send("POST", "import/", text=text, engine="celery")
    dry = send("POST", "import/", text=text, engine="celery", dry_run=True)

    assert said.status_code == 400 and Schedule.objects.count() == 1
    assert [fault["pointer"] for fault in said.json()["errors"]] == ["#/text/2", "#/text/3", "#/text/5"]
    assert dry.json()["errors"] == said.json()["errors"]
    assert send("POST", "import/", "oscar", text=text).status_code == 403


def test_what_is_told_in_seconds_and_once_is_no_line_of_a_crontab(get, cast):
    own(cast.production, "often", plan="interval", cron="", every_us=45_000_000)
    own(cast.production, "once", plan="once", cron="", at=datetime(2099, 1, 1, tzinfo=UTC))

    out = get("export/", "adam").content.decode().splitlines()

    assert sum(line.startswith("# Not for a crontab:") for line in out) == 2 and all(line[0] == "#" for line in out)


def test_whoever_sees_only_some_tasks_sees_and_steers_their_schedules(get, send, cast):
    mine, other = schedule(cast.production), schedule(cast.production, "other", queue="fast")
    here = {"project": cast.harbor, "environment": cast.production}
    Grant.objects.create(user=cast.user("oscar"), permission="view_metadata", effect="deny", queue_glob="fast", **here)

    assert [one["key"] for one in get(who="oscar").json()["results"]] == ["nightly"]
    assert get(f"{other.pk}/", "oscar").status_code == 404
    assert send("POST", f"{other.pk}/disable/", "oscar").status_code == 404
    assert send("POST", f"{mine.pk}/disable/", "oscar").status_code == 202
