"""Who sees some queues and task names only sees, counts, finds and changes those, wherever they look."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests import rows
from z4j_brain.operations.models import Item, Operation
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Token
from z4j_brain.rbac.states import Effect, Permission, Role
from z4j_brain.tasks.models import Task

pytestmark = pytest.mark.django_db
PLACE = "/api/v1/harbor/production/"
SECRET = "salaries"


@pytest.fixture
def stage(cast):
    """oscar operates, but does not even see what is about salaries; stan sees nothing but e-mails."""
    agent = rows.agent(cast.production)
    for number in range(3):
        rows.task(cast.production, task_id=f"mail-{number}", name="shop.mail", queue="emails")
        rows.task(cast.production, task_id=f"{SECRET}-{number}", name=f"hr.{SECRET}", queue=SECRET)
    for queue in ("emails", SECRET):
        rows.queue(cast.production, name=queue, agent=agent)
    for name in ("shop.mail", f"hr.{SECRET}"):
        rows.registered(cast.production, name=name)
    place = cast.production
    granting.give(place, cast.user("oscar"), Role.OPERATOR, effect=Effect.DENY, queue_glob="sal*", actor=SYSTEM)
    granting.give(place, cast.user("oscar"), Role.OPERATOR, effect=Effect.DENY, task_glob="hr.**", actor=SYSTEM)
    granting.give(place, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)
    return cast


@pytest.fixture
def ask(stage):
    def ask(who: str, method: str, path: str, body: Any = None):
        client = Client(raise_request_exception=False)
        text = json.dumps(body) if body is not None else ""
        return client.generic(method, path, text, content_type="application/json", **stage.bearer(who))

    return ask


def ids(prefix):
    return list(Task.objects.filter(task_id__startswith=prefix).order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize("who", ["oscar", "stan"])
@pytest.mark.parametrize(
    "path",
    [
        "tasks/",
        "tasks/?search=salaries",
        "tasks/?search=salaries-1",
        "tasks/?name=hr.salaries",
        "tasks/?queue=salaries",
        "tasks/export/?format=csv",
        "tasks/export/?format=jsonl",
        "queues/",
        "queues/?name=salaries",
        "registered/",
        "operations/",
    ],
)
def test_no_list_tells_of_what_is_not_to_be_seen(ask, stage, who, path):
    rows.operation(stage.production, list(Task.objects.filter(queue=SECRET)), reason=SECRET, actor_name=SECRET)

    answer = ask(who, "GET", PLACE + path)

    assert answer.status_code == 200
    told = answer.getvalue().decode()
    assert SECRET not in told.replace(path, "").replace("search=salaries", "")
    if path in ("tasks/", "tasks/export/?format=csv"):
        assert "mail-2" in told


@pytest.mark.parametrize("who", ["oscar", "stan"])
def test_what_is_not_seen_is_not_there(ask, stage, who):
    task, queue = ids(SECRET)[0], stage.production.queues.get(name=SECRET).pk
    for path in (f"tasks/{task}/", f"tasks/{task}/events/", f"queues/{queue}/"):
        assert ask(who, "GET", PLACE + path).status_code == 404
    statistics = ask(who, "GET", f"{PLACE}stats/")
    assert (statistics.status_code, statistics.json()["code"]) == (403, "narrowed")


@pytest.mark.parametrize("who", ["oscar", "stan"])
def test_pages_count_and_suggest_no_more_than_they_list(stage, who):
    client = Client()
    client.force_login(stage.user(who), backend="django.contrib.auth.backends.ModelBackend")
    place = "/harbor/production/"
    for path in ("tasks/", "tasks/?since=all", "tasks/words/", "queues/", "dead-letters/", "jump/?q=mail-1"):
        answer = client.get(place + path, headers={"HX-Request": "true"} if "jump" in path else {})
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    assert client.get(f"{place}tasks/?since=all").context["total"].number == 3
    assert client.get(place).headers["Location"] == f"{place}tasks/"


def test_an_operation_takes_what_is_allowed_and_counts_the_rest(ask, stage):
    granting.give(
        stage.production, stage.user("oscar"), Permission.RETRY, effect=Effect.DENY, task_glob="shop.mail", actor=SYSTEM
    )
    other = rows.task(stage.production, name="shop.pay", queue="emails").pk

    answer = ask("oscar", "POST", f"{PLACE}operations/", {"action": "task.retry", "all": True})

    assert answer.status_code == 202, answer.content
    operation = Operation.objects.get(pk=answer.json()["id"])
    items = dict(Item.objects.filter(operation=operation).values_list("target_id", "left_out"))
    assert items == {str(other): items[str(other)]} | {str(pk): "not_permitted" for pk in ids("mail")}
    assert items[str(other)] != "not_permitted"
    assert {"code": "not_permitted", "count": 3}.items() <= operation.plan["excluded"][0].items()


def test_a_target_that_is_not_seen_is_answered_like_one_that_is_not_there(ask, stage):
    hidden, absent = ids(SECRET)[0], 10**9
    for address in ("operations/", "operations/preview/"):
        answers = [
            ask("oscar", "POST", PLACE + address, {"action": "task.retry", "targets": [pk]}).json()
            for pk in (hidden, absent)
        ]
        assert answers[0] == answers[1]
        assert answers[0]["code"] == "not_found"
    assert not Operation.objects.exists()


def test_a_token_of_a_narrowed_person_is_as_narrow(ask, stage):
    Token.objects.filter(user=stage.user("oscar")).update(project=stage.harbor)

    found = ask("oscar", "GET", f"{PLACE}tasks/").json()["results"]

    assert {row["queue"] for row in found} == {"emails"}


@pytest.mark.parametrize("who", ["oscar", "stan"])
def test_requests_for_a_second_person_name_nothing_that_is_not_seen(ask, stage, who):
    approval = rows.wish(stage.production, request={"what": SECRET}, reason=SECRET)
    client = Client()
    client.force_login(stage.user(who), backend="django.contrib.auth.backends.ModelBackend")

    assert ask(who, "GET", f"{PLACE}approvals/").json()["results"] == []
    assert ask(who, "GET", f"{PLACE}approvals/{approval.pk}/").status_code == 404
    assert SECRET not in client.get("/harbor/production/approvals/").content.decode()


@pytest.mark.parametrize("who", ["oscar", "stan"])
def test_a_task_does_not_name_the_retry_that_is_not_seen(ask, stage, who):
    first = Task.objects.get(task_id="mail-0")
    rows.task(stage.production, task_id="hidden-retry", name=f"hr.{SECRET}", queue=SECRET, retry_of="mail-0")
    seen = ask("olive", "GET", f"{PLACE}tasks/{first.pk}/").json()

    told = [
        ask(who, "GET", f"{PLACE}{path}").getvalue().decode()
        for path in ("tasks/", f"tasks/{first.pk}/", "tasks/export/?format=csv")
    ]

    assert seen["retried_as"] == "hidden-retry"
    assert not any("hidden-retry" in text for text in told)


def test_the_figures_of_a_queue_are_for_whom_no_task_in_it_is_hidden(stage):
    page = f"/harbor/production/queues/{stage.production.queues.get(name='emails').pk}/"
    told = {}
    for who in ("olive", "oscar", "stan"):
        client = Client()
        client.force_login(stage.user(who), backend="django.contrib.auth.backends.ModelBackend")
        answer = client.get(page)
        told[who] = ("series" in answer.context, "In and out" in answer.content.decode())

    assert told == {"olive": (True, True), "oscar": (False, False), "stan": (True, True)}
