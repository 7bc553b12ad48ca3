"""Every address of the panel, visited by the whole cast and by nobody."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests import rows
from tests.alerts import furnished
from tests.cast import PASSWORD
from tests.issues import stage as failing
from tests.schedules import stage
from tests.tasks import kept
from z4j_brain.agents.models import AgentKey
from z4j_brain.operations.models import Item, Operation
from z4j_brain.panel import urls
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actions import offer_setup
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Setup, User

MEMBERS = ("olive", "adam", "oscar", "vera", "audrey")
OUTSIDE = (
    "home",
    "account_login",
    "account_logout",
    "set-up",
    "source",
    "log",
    "log-entry",
    "log-checkpoint",
    "log-key",
    "outlets",
    "anchor-remove",
    "stream-steer",
    "own-tokens",
    "invitation",
)
INSIDE = [pattern.name for pattern in urls.inside]
#: What a GET answers to a member where it is no page.
NO_PAGE = {"audit-export": 405, "key-revoke": 405, "operation-steer": 405, "jump": 302}
NO_PAGE |= {"task-hide": 405, "approval-answer": 405, "freeze-set": 405, "freeze-end": 405, "members-change": 405}
NO_PAGE |= {"secrets-try": 405, "secret-rule-remove": 405}
NO_PAGE |= {"schedule-hide": 405}
NO_PAGE |= {"issue-say": 405, "task-view-steer": 405}
NO_PAGE |= {"alert-rule-steer": 405, "alert-channel-steer": 405, "alert-resend": 405}
NO_PAGE |= {"alert-channel-rotate": 405, "alert-window-remove": 405}
#: Pages of alerts for those who write rules and plan windows.
WRITES = ("alert-new", "alert-rule", "alert-channel", "alert-window-new", "alert-window")
POSTED = [page for page, status in NO_PAGE.items() if status == 405]


@pytest.fixture
def task(cast):
    rows.agent(cast.production)
    rows.worker(cast.production, concurrency={"kind": "prefork", "size": 2}, queues=["emails"])
    return rows.task(cast.production, error_type="SMTPServerDisconnected", error_message="timed out", args="(<int>,)")


@pytest.fixture
def address(cast, task):
    operation = rows.operation(cast.production, [task])
    ids = {"queue": rows.queue(cast.production, dead=2).pk, "worker": cast.production.workers.get().pk}
    ids |= {
        "task": task.pk,
        "task-show": task.pk,
        "task-compare": task.pk,
        "task-hide": task.pk,
        "operation": operation.pk,
        "key-revoke": cast.agent_key().pk,
    }
    ids["entry"] = rows.entry(cast.production).pk
    ids["approval"] = ids["approval-answer"] = rows.wish(cast.production).pk
    ids["freeze-end"] = rows.freeze(cast.production).pk

    schedule = stage.own(cast.production)
    ids |= dict.fromkeys(("schedule", "schedule-show", "schedule-hide", "schedule-edit"), schedule.pk)

    alerts, _ = furnished.furnish(cast.production, "pager")
    ids |= {"alert-rule": alerts["api-alert-rule"], "alert-rule-steer": alerts["api-alert-rule"]}
    ids |= {"alert-channel-steer": alerts["api-alert-channel"], "alert-resend": alerts["api-alert-delivery-resend"]}

    ids |= dict.fromkeys(("alert-channel", "alert-channel-rotate"), alerts["api-alert-channel"])
    ids |= dict.fromkeys(("alert-window", "alert-window-remove"), alerts["api-alert-window"])

    more = {"alert-rule-steer": {"verb": "mute"}, "alert-channel-steer": {"verb": "test"}}
    more |= {"ask": {"action": "task.retry"}, "operation-steer": {"verb": "pause"}}
    more |= {"approval-answer": {"verb": "approve"}, "members-change": {"verb": "role"}}
    ids |= dict.fromkeys(("issue", "issue-say"), failing.issue(cast.production).fingerprint)
    more |= {"issue-say": {"verb": "resolve"}}
    view, _ = kept.furnish(cast.production, "failing")
    ids |= {"task-view-steer": view["api-task-view"]}
    more |= {"task-view-steer": {"verb": "first"}}
    more |= {"secret-rule-remove": {"id": "references"}}

    def address(page):
        place = {"project": "harbor", "environment": "production"}
        known = {"id": ids[page.partition("-")[0]]} if page.startswith("operation-") else {}
        path = reverse(page, kwargs=place | known | more.get(page, {}) | ({"id": ids[page]} if page in ids else {}))
        return f"{path}?target={task.pk}" if page == "ask" else path

    return address


@pytest.fixture
def as_(client, cast):
    def as_(who):
        cast.sign_in(client, who)
        return client

    return as_


def test_the_panel_has_no_other_addresses():
    names = {name for pattern in urls.urlpatterns if (name := getattr(pattern, "name", None))}
    assert names == set(OUTSIDE)


@pytest.mark.parametrize("page", INSIDE)
@pytest.mark.parametrize("who", MEMBERS)
def test_a_member_sees_every_page(page, who, address, as_):
    looks_only = page == "ask" and who in ("vera", "audrey") or page == "task-show" and who == "audrey"
    looks_only = looks_only or page == "secret-rule" and who not in ("olive", "adam")
    looks_only = (
        looks_only or page in ("schedule-new", "schedule-edit", "schedule-import") and who not in ("olive", "adam")
    )
    looks_only = looks_only or page == "schedule-show" and who == "audrey"
    looks_only = looks_only or page in WRITES and who not in ("olive", "adam")
    foreign = page == "entry" and who not in ("olive", "audrey")  # somebody else's
    status = 403 if looks_only else 404 if foreign else NO_PAGE.get(page, 200)
    assert as_(who).get(address(page)).status_code == status


@pytest.mark.parametrize("page", [page for page in INSIDE if page not in POSTED])
def test_for_a_stranger_there_is_no_such_page(page, address, as_):
    answer = as_("stan").get(address(page))
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


@pytest.mark.parametrize("page", ["home", "source", *(page for page in INSIDE if page not in POSTED)])
def test_nobody_is_asked_to_sign_in_and_led_back(page, address, client):
    path = address(page) if page in INSIDE else reverse(page)
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=/")


def test_who_may_not_act_has_no_button_and_is_refused(address, task, as_):
    client = as_("vera")
    assert "Retry 1 task" not in client.get(address("task")).content.decode()
    assert client.post(address("ask"), {"target": task.pk}).status_code == 403
    assert not Operation.objects.exclude(actor_name="oscar").exists()


def test_a_retry_leads_back_to_the_task_and_is_told_there(address, task, as_):
    client = as_("oscar")
    Item.objects.update(outcome="failed", progress="settled")  # else somebody has asked for it already
    answer = client.post(
        address("ask"),
        {"target": task.pk, "at_once": "1", "reason": "the relay is back"},
        follow=True,
    )
    told = answer.content.decode()
    assert answer.redirect_chain[-1][0] == address("task")
    assert "Retry requested" in told
    assert "the relay is back" in told


def test_a_task_of_another_environment_is_not_acted_on(cast, address, as_):
    elsewhere = rows.task(cast.island)
    assert as_("olive").post(address("ask"), {"target": elsewhere.pk}).status_code == 400


def test_what_cannot_be_done_keeps_its_place_and_says_why(address, as_):
    told = as_("oscar").get(address("task")).content.decode()
    assert 'aria-disabled="true" aria-describedby="tip-cancel"' in told
    assert "Already failed, nothing to cancel." in told


def test_an_auditor_sees_no_arguments(address, as_):
    told = as_("audrey").get(address("task")).content.decode()
    assert "timed out" not in told
    assert "Your role does not show arguments and results: it takes the permission" in told


def test_a_dsn_is_shown_once(cast, address, as_):
    client = as_("olive")
    told = client.post(address("connect"), {"name": "box-7"}).content.decode()
    key = AgentKey.objects.get(name="box-7")
    assert f"z4ja_{key.kid}_" in told
    assert f"z4ja_{key.kid}_" not in client.get(address("connect")).content.decode()


def test_only_who_manages_agents_makes_keys(address, as_):
    client = as_("oscar")
    assert "Make another key" not in client.get(address("connect")).content.decode()
    assert client.post(address("connect"), {"name": "box-7"}).status_code == 403
    assert not AgentKey.objects.filter(name="box-7").exists()


def test_a_key_is_revoked_from_its_page(cast, address, as_):
    as_("adam").post(address("key-revoke"), {"reason": "leaked"})
    assert cast.agent_key().revoked_at is not None


def test_the_set_up_link_makes_one_owner_and_signs_them_in(db, client):
    link = offer_setup(INSTANCE, actor=SYSTEM)
    path = reverse("set-up", kwargs={"link": link})
    assert client.post(path, {"username": "olga", "password": "short"}).status_code == 400
    answer = client.post(path, {"username": "olga", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/default/production/connect/"
    assert client.get(path).status_code == 404
    assert User.objects.get().username == "olga"
    assert Setup.is_done()


def test_an_unknown_set_up_link_does_not_exist(db, client):
    offer_setup(INSTANCE, actor=SYSTEM)
    assert client.get(reverse("set-up", kwargs={"link": "guessed"})).status_code == 404


def test_a_wrong_password_says_how_many_tries_are_left_then_that_the_name_is_locked(cast, client):
    def attempt(password):
        return client.post("/sign-in/", {"login": "vera", "password": password})

    answers = [attempt("wrong") for _ in range(5)]
    assert "4 tries left" in answers[0].content.decode()
    assert "1 try left" in answers[3].content.decode()
    assert answers[4].status_code == 429
    assert "locked for 15 minutes" in answers[4].content.decode()
    assert "locked for 15 minutes" in attempt(PASSWORD).content.decode()


def test_signing_out_takes_a_post(as_):
    assert as_("vera").get("/sign-out/").status_code == 405
    assert as_("vera").post("/sign-out/").status_code == 302


def test_a_tampered_cursor_is_explained(address, as_):
    answer = as_("vera").get(address("tasks") + "?cursor=guessed")
    assert answer.status_code == 400
    assert "Start this page afresh" in answer.content.decode()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("task.lost", "lost: concluded when no live worker claimed it"),
        ("task.succeeded", "succeeded: found in the engine's own store or queue, not told by a worker"),
    ],
)
def test_what_was_looked_up_is_told_apart_from_what_a_worker_said(cast, address, task, as_, kind, told):
    agent = cast.production.agents.get()
    rows.event(task, agent, "task.started", task.first_at)
    assert "found in the engine" not in as_("vera").get(address("task")).content.decode()

    rows.event(task, agent, kind, task.last_at, source="reconcile")

    assert told in as_("vera").get(address("task")).content.decode()
