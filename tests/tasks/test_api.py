"""Tasks over the API: what a list holds, how it pages and filters, what one task tells, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows

TASKS = "/api/v1/harbor/production/tasks/"
START = datetime(2026, 11, 22, 14, tzinfo=UTC)


@pytest.fixture
def get(client, cast):
    def get(path=TASKS, who="vera", **query):
        return client.get(path, query, **cast.bearer(who))

    return get


def ids(response):
    return [row["task_id"] for row in response.json()["results"]]


def test_a_list_is_newest_first_and_pages_both_ways_without_gap_or_repeat(get, cast):
    made = [rows.task(cast.production).task_id for _ in range(7)][::-1]

    pages, answer = [], get(page_size=3).json()
    while answer["next"]:
        pages.append(answer)
        answer = get(answer["next"]).json()
    pages.append(answer)
    back = get(answer["previous"]).json()

    assert [row["task_id"] for page in pages for row in page["results"]] == made
    assert pages[0]["previous"] is None
    assert [row["task_id"] for row in back["results"]] == made[3:6]


def test_a_task_knows_what_it_is_a_retry_of_and_its_newest_retry(get, cast):
    original = rows.task(cast.production)
    first = rows.task(cast.production, retry_of=original.task_id)
    second = rows.task(cast.production, retry_of=original.task_id)
    rows.task(cast.staging, retry_of=original.task_id)
    rows.task(cast.production, retry_of=original.task_id, engine="rq")

    shown = {row["task_id"]: row for row in get(engine="celery").json()["results"]}

    assert shown[original.task_id]["retried_as"] == second.task_id
    assert shown[original.task_id]["retry_of"] is None
    assert shown[first.task_id]["retry_of"] == original.task_id
    assert shown[first.task_id]["retried_as"] is None


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(get, cast):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert get(page_size=100).status_code == 200
        return len(captured)

    for _ in range(2):
        rows.task(cast.production, retry_of=rows.task(cast.production).task_id)
    get()
    few = queries()
    for _ in range(30):
        rows.task(cast.production, retry_of=rows.task(cast.production).task_id)

    assert queries() == few <= 11


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "failed"}, {"a", "b"}),
        ({"state__in": "failed,started"}, {"a", "b", "c"}),
        ({"name": "shop.pay"}, {"b", "c"}),
        ({"name__in": "shop.pay,none"}, {"b", "c"}),
        ({"queue": "bulk", "state": "succeeded"}, {"d"}),
        ({"first_at__gte": "2026-11-22T14:02:00Z"}, {"c", "d"}),
        ({"first_at__lt": "2026-11-22T15:01:00+01:00"}, {"a"}),
        ({"runtime_ms__gt": "40.5"}, {"d"}),
        ({"attempt__lte": "0"}, {"a", "b"}),
        ({"task_id": "c"}, {"c"}),
        ({"task_id__in": "c,d"}, {"c", "d"}),
        ({"retry_of": "a"}, {"b"}),
        ({"parent_id": "a"}, {"c"}),
        ({"search": "d"}, {"d"}),
        ({"search": "shop.p"}, {"b", "c"}),
        ({"search": "PAY"}, {"b", "c"}),
        ({"search": "nothing like it"}, set()),
    ],
)
def test_filters_narrow_the_list(get, cast, query, found):
    def add(task_id, minute, **fields):
        rows.task(cast.production, task_id=task_id, first_at=START + timedelta(minutes=minute), **fields)

    add("a", 0, name="shop.send", queue="mail")
    add("b", 1, name="shop.pay", queue="mail", retry_of="a")
    add("c", 2, name="shop.pay", queue="bulk", state="started", attempt=1, parent_id="a")
    add("d", 3, name="shop.report", queue="bulk", state="succeeded", attempt=2, runtime_ms=41)

    assert set(ids(get(**query))) == found


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"colour": "red"}, "colour"),
        ({"state__like": "f"}, "state__like"),
        ({"state": "bogus"}, "state"),
        ({"state__in": "failed,bogus"}, "state__in"),
        ({"id__gte": "9" * 30}, "id__gte"),
        ({"runtime_ms__gte": "nan"}, "runtime_ms__gte"),
        ({"first_at__gte": "0001-01-01T00:00:00+14:00"}, "first_at__gte"),
        ({"name": "nul\0"}, "name"),
        ({"name__in": ",".join("x" * 200)}, "name__in"),
        ({"state": ["failed", "lost"]}, "state"),
        ({"cursor": "made-up"}, "cursor"),
        ({"page_size": "201"}, "page_size"),
        ({"page_size": "0"}, "page_size"),
    ],
)
def test_what_a_list_does_not_know_is_a_problem_that_points_at_it(get, cast, query, pointer):
    answer = get(**query)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]


def test_a_cursor_that_was_changed_is_refused(get, cast):
    for _ in range(3):
        rows.task(cast.production)
    cursor = get(page_size=1).json()["next"].partition("cursor=")[2]

    answer = get(cursor=cursor.replace(cursor[3], "A" if cursor[3] != "A" else "B", 1))

    assert answer.status_code == 400
    assert answer.json()["code"] == "cursor"


def test_payloads_are_for_those_who_may_see_them(get, cast):
    texts = {"args": "(1,)", "kwargs": "{'a': 1}", "result": "7", "error_message": "boom", "traceback": "File"}
    task = rows.task(cast.production, error_type="ValueError", **texts)
    agent = rows.agent(cast.production)
    rows.event(
        task, agent, "task.failed", START, args="(1,)", error={"type": "ValueError", "message": "boom"}, later="7"
    )

    for who, sees in [("vera", True), ("audrey", False)]:
        shown = get(f"{TASKS}{task.pk}/", who=who).json()
        events = get(f"{TASKS}{task.pk}/events/", who=who).json()["results"]

        assert shown["error_type"] == "ValueError"
        assert {name: shown[name] for name in texts} == (texts if sees else dict.fromkeys(texts))
        assert get(who=who).json()["results"][0]["error_message"] == ("boom" if sees else None)
        assert events[0]["data"]["args"] == ("(1,)" if sees else None)
        assert events[0]["data"]["later"] == ("7" if sees else None)


def test_a_task_says_what_can_be_done_to_it_and_why_not(get, cast):
    failed, running = rows.task(cast.production), rows.task(cast.production, state="started")

    def actions(task, who="oscar"):
        return get(f"{TASKS}{task.pk}/", who=who).json()["actions"]

    alone = actions(failed)
    rows.agent(cast.production, allowed=["retry"])

    assert alone["retry"]["possible"] is False
    assert "has answered for 60 s" in alone["retry"]["reason"]
    assert actions(failed)["retry"] == {"permitted": True, "possible": True, "reason": "", "note": ""}
    assert actions(failed)["cancel"]["reason"] == "Already failed, nothing to cancel."
    assert "nothing to retry yet" in actions(running)["retry"]["reason"]
    assert "own settings" in actions(running)["cancel"]["reason"]
    assert actions(failed, who="vera")["retry"]["permitted"] is False


def test_an_agent_that_fell_silent_can_do_nothing(get, cast):
    task = rows.task(cast.production)
    rows.agent(cast.production, seen_at=timezone.now() - timedelta(seconds=61))
    rows.agent(cast.production, left_at=timezone.now())
    rows.agent(cast.production, role="producer")
    rows.agent(cast.staging)

    assert get(f"{TASKS}{task.pk}/", who="oscar").json()["actions"]["retry"]["possible"] is False


def test_what_is_hidden_and_what_does_not_exist_look_the_same(get, cast):
    island = rows.task(cast.island)
    bodies = {
        get(path, who=who).content
        for path, who in [
            (f"/api/v1/island/production/tasks/{island.pk}/", "vera"),
            (f"/api/v1/harbor/production/tasks/{island.pk}/", "vera"),
            ("/api/v1/harbor/production/tasks/999999999/", "vera"),
            ("/api/v1/harbor/nowhere/tasks/", "vera"),
            ("/api/v1/nowhere/production/tasks/", "vera"),
            (TASKS, "stan"),
        ]
    }

    assert len(bodies) == 1
    assert b'"not_found"' in bodies.pop()


def test_what_an_engine_or_its_worker_refuses_is_said_in_their_own_words(get, cast):
    task = rows.task(cast.production, state="started")
    entry = {"name": "celery", "capabilities": {"retry": {"note": ""}}, "missing": {"cancel": "The pool is solo."}}
    refused = {"retry": "This worker is read-only by its own settings (Z4J_READ_ONLY)."}
    rows.agent(cast.production, engines=[entry], allowed=[], refused=refused)

    told = get(f"{TASKS}{task.pk}/", who="oscar").json()["actions"]

    assert told["cancel"] == {"permitted": True, "possible": False, "reason": "The pool is solo.", "note": ""}
    failed = rows.task(cast.production)
    assert get(f"{TASKS}{failed.pk}/", who="oscar").json()["actions"]["retry"]["reason"] == refused["retry"]


@pytest.mark.parametrize(
    ("state", "offered", "permitted", "possible"),
    [
        ("dead_lettered", True, True, True),
        ("dead_lettered", False, True, False),
        ("failed", True, True, True),
        ("failed", False, False, False),
        ("succeeded", True, False, False),
    ],
)
def test_what_the_engine_gave_up_can_be_requeued_where_it_keeps_it(get, cast, state, offered, permitted, possible):
    task = rows.task(cast.production, state=state)
    rows.agent(cast.production, verbs=("retry", "requeue") if offered else ("retry",))

    told = get(f"{TASKS}{task.pk}/", who="oscar").json()["actions"]["requeue"]

    assert (told["permitted"], told["possible"]) == (permitted, possible)
    assert bool(told["reason"]) is not possible
