"""Operations over the API: asking, once and again, by token and by session, and what is told of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows
from z4j_brain.ledger.models import Entry
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import IdempotencyKey, Item, Operation

HERE = "/api/v1/harbor/production/"


@pytest.fixture
def post(client, cast):
    def post(path, body=None, who="oscar", key=None, **extra):
        headers = {"Idempotency-Key": key} if key else {}
        text = body if isinstance(body, str) else json.dumps(body or {})
        return client.post(
            HERE + path, text, content_type="application/json", headers=headers, **cast.bearer(who) | extra
        )

    return post


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera": client.get(HERE + path, **cast.bearer(who))


def test_a_retry_answers_202_with_the_operation_and_where_to_follow_it(post, get, cast):
    task = rows.task(cast.production)
    rows.agent(cast.production)

    answer = post(f"tasks/{task.pk}/retry/", {"reason": "the mail server is back"})

    shown = get(answer["Location"].removeprefix(HERE)).json()
    items = get(answer["Location"].removeprefix(HERE) + "items/").json()["results"]
    assert answer.status_code == 202
    assert answer.json()["id"] == shown["id"]
    assert (shown["state"], shown["action"], shown["reason"]) == ("pending", "task.retry", "the mail server is back")
    assert shown["actor"]["name"] == "oscar (all)"
    assert [(item["target_id"], item["outcome"]) for item in items] == [(str(task.pk), None)]


def test_cancel_asks_and_the_task_says_who_did(post, get, cast):
    task = rows.task(cast.production, state="started")
    rows.agent(cast.production)

    assert post(f"tasks/{task.pk}/cancel/").status_code == 202

    shown = get(f"tasks/{task.pk}/").json()
    assert shown["state"] == "started"
    assert shown["cancel_requested_by"] == "oscar (all)"
    assert "no worker has confirmed" in get(f"tasks/{task.pk}/", who="oscar").json()["actions"]["cancel"]["reason"]


def test_one_operation_takes_many_tasks(post, get, cast):
    rows.agent(cast.production)
    tasks = [rows.task(cast.production).pk for _ in range(3)]

    answer = post("operations/", {"action": "task.retry", "targets": [*tasks, tasks[0]]})

    assert answer.status_code == 202
    assert answer.json()["total"] == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "task.retry"}, "#"),
        ({"action": "task.retry", "targets": []}, "#/targets"),
        ({"action": "task.retry", "targets": [1, {}]}, "#/targets/1"),
        ({"action": "project.create", "targets": [1]}, "#/action"),
        ({"action": "task.retry", "targets": [1], "filter": {"state": "failed"}}, "#"),
        ({"action": "task.retry", "targets": [1], "reason": "x" * 501}, "#/reason"),
        ({"action": "task.retry", "targets": [1], "reason": "nul\0"}, "#/reason"),
        ([], "#"),
    ],
)
def test_a_body_that_is_wrong_is_a_problem_that_points_at_it(post, cast, body, pointer):
    answer = post("operations/", body if body else json.dumps(body))

    assert answer.status_code == 400
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"reason": 1e400}',
        '{"reason": NaN}',
        '{"reason": "a", "reason": "b"}',
        '{"reason": "\\ud800"}',
        '{"reason": %s}' % ("9" * 5000),
    ],
)
def test_a_hostile_body_is_a_400(post, cast, text):
    task = rows.task(cast.production)

    answer = post(f"tasks/{task.pk}/retry/", text or "\xff")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_ids_of_elsewhere_are_not_found_and_nothing_is_asked_of_the_others(post, cast):
    mine, elsewhere = rows.task(cast.production), rows.task(cast.staging)

    answer = post("operations/", {"action": "task.retry", "targets": [mine.pk, elsewhere.pk]})

    assert answer.status_code == 404
    assert not Operation.objects.exists()


def test_the_same_key_is_the_same_operation(post, cast):
    task = rows.task(cast.production)
    path = f"tasks/{task.pk}/retry/"

    first, again = post(path, key="k-1"), post(path, key="k-1")
    other = post(path, {"reason": "else"}, key="k-1")
    elsewhere = post(f"tasks/{task.pk}/cancel/", key="k-1")
    of_olive = post(path, who="olive", key="k-1")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert elsewhere.status_code == 422
    assert of_olive.json()["id"] != first.json()["id"]
    assert Operation.objects.count() == 2


def test_a_key_is_free_again_after_a_day(post, cast):
    path = f"tasks/{rows.task(cast.production).pk}/retry/"
    first = post(path, key="k-1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert post(path, {"reason": "again"}, key="k-1").json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["x" * 256, "tab\there", "é"])
def test_a_key_that_is_no_key_is_refused(post, cast, key):
    answer = post(f"tasks/{rows.task(cast.production).pk}/retry/", key=key)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "Idempotency-Key"


def test_of_two_requests_at_once_under_one_key_the_second_leaves_nothing(post, cast, monkeypatch):
    path = f"tasks/{rows.task(cast.production).pk}/retry/"
    first = post(path, key="k-1").json()["id"]
    before = (Operation.objects.count(), Item.objects.count(), Entry.objects.count())
    seen, blind = Claim.answered, iter([True])  # the second looked before the first had committed
    monkeypatch.setattr(Claim, "answered", lambda claim: None if next(blind, False) else seen(claim))

    assert post(path, key="k-1").json()["id"] == first
    assert (Operation.objects.count(), Item.objects.count(), Entry.objects.count()) == before


def test_a_session_needs_the_csrf_token(cast):
    task = rows.task(cast.production)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.user("oscar"), backend="django.contrib.auth.backends.ModelBackend")
    path = f"{HERE}tasks/{task.pk}/retry/"

    without = client.post(path, "{}", content_type="application/json")
    client.cookies["csrftoken"] = "a" * 32
    with_it = client.post(path, "{}", content_type="application/json", headers={"X-CSRFToken": "a" * 32})

    assert (without.status_code, without["Content-Type"]) == (403, "application/problem+json")
    assert with_it.status_code == 202


def test_a_refusal_names_the_rule_and_is_recorded(post, cast):
    task = rows.task(cast.production)

    answer = post(f"tasks/{task.pk}/retry/", who="vera")

    assert answer.status_code == 403
    assert answer.json()["code"] == "role_lacks"
    assert Entry.objects.get().outcome == "refused"


def test_a_list_of_operations_costs_the_same_however_long_it_is(get, cast):
    def queries(path):
        with CaptureQueriesContext(connection) as captured:
            assert get(path).status_code == 200
        return len(captured)

    first = rows.operation(cast.production, [rows.task(cast.production)])
    get("operations/")
    few = queries("operations/"), queries(f"operations/{first.pk}/items/")
    for _ in range(10):
        rows.operation(cast.production, [rows.task(cast.production)])
    for _ in range(10):
        Item.objects.create(operation=first, target_id=str(rows.task(cast.production).pk))

    assert (queries("operations/"), queries(f"operations/{first.pk}/items/")) == few


def test_operations_filter_by_state_and_action(get, cast):
    rows.operation(cast.production, [], state="failed")
    wanted = rows.operation(cast.production, [], state="succeeded", action="task.cancel")

    found = get("operations/?state__in=succeeded,partial&action=task.cancel").json()["results"]

    assert [row["id"] for row in found] == [str(wanted.pk)]
    assert get("operations/?reason=x").status_code == 400
