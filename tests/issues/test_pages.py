"""The pages and the API of issues: what they show to whom, and what can be said about an issue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import rows
from tests import wire as sent
from tests.issues.stage import failed, issue
from z4j_brain.issues import actions
from z4j_brain.issues.models import Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.ledger.models import Entry
from z4j_brain.operations.models import Operation
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.states import Effect, Role
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

PLACE = {"project": "harbor", "environment": "production"}


@pytest.fixture
def told(cast) -> Issue:
    """Three tasks that failed alike, and one that failed otherwise."""
    rows.agent(cast.production)
    alike = [failed(seq, f"t{seq}", seq, queue="emails", message="no answer of 4.4.4.4") for seq in (1, 2, 3)]
    other = failed(4, "t4", 4, type="shop.errors.KeyError", name="shop.pay")
    ingest(cast.agent_key(), sent.parsed(*alike, other, boot=sent.BOOT), 1)
    return Issue.objects.get(count=3)


@pytest.fixture
def page(client, cast):
    def page(who, address="issues", query="", **names):
        cast.sign_in(client, who)
        return client.get(reverse(address, kwargs=PLACE | names) + query)

    return page


@pytest.fixture
def post(client, cast):
    def post(who, verb, found, **fields):
        cast.sign_in(client, who)
        return client.post(reverse("issue-say", kwargs=PLACE | {"id": found.fingerprint, "verb": verb}), fields)

    return post


def test_the_list_has_one_row_for_what_is_one_failure_and_no_word_of_a_message(told, page):
    text = page("oscar").content.decode()
    assert text.count('<tr id="issue-') == 2
    assert "KeyError" in text
    assert "shop.errors" not in text
    assert "no answer" not in text
    assert 'Open<span class="n">2</span>' in text


def test_the_list_is_narrowed_by_words_and_by_when_it_failed_last_and_its_tabs_count_that(told, page, cast, client):
    other = Issue.objects.exclude(pk=told.pk).get()
    Issue.objects.filter(pk=told.pk).update(last_at=timezone.now() - timedelta(hours=3))
    Issue.objects.filter(pk=other.pk).update(last_at=timezone.now())

    def found(query):
        text = page("oscar", query=query).content.decode()
        listed = client.get(reverse("api-issues", kwargs=PLACE) + query, **cast.bearer("oscar"))
        return {one.error_type for one in (told, other) if f'id="issue-{one.fingerprint}"' in text}, listed, text

    shown, _, text = found("?since=1h")
    assert shown == {"shop.errors.KeyError"}
    assert 'Open<span class="n">1</span>' in text
    for words, errors in (("keyerror", {other.error_type}), ("shop TIMEOUT", {told.error_type}), ("pay.py", None)):
        shown, listed, _ = found(f"?q={words}")
        assert shown == (errors or {told.error_type, other.error_type})
        assert {one["error_type"] for one in listed.json()["results"]} == shown
    shown, listed, text = found("?q=4.4.4.4")  # a message
    assert (shown, listed.json()["results"]) == (set(), [])
    assert "No open issue with “4.4.4.4”" in text


def test_messages_and_tracebacks_are_hidden_like_those_of_the_task_they_are_of(told, page, client):
    task = Task.objects.get(task_id="t3")
    hidden = page("vera", "issue", id=told.fingerprint).content.decode()
    assert "no answer" not in hidden
    assert "Ask to show, recorded" in hidden
    client.post(reverse("task-show", kwargs=PLACE | {"id": task.pk}), {"reason": "to see"})
    shown = client.get(reverse("issue", kwargs=PLACE | {"id": told.fingerprint})).content.decode()
    assert "no answer of 4.4.4.4" in shown
    assert "Ask to show" not in page("audrey", "issue", id=told.fingerprint).content.decode()


def test_an_issue_leads_to_its_tasks_and_a_task_to_its_issue(told, page):
    found = page("oscar", "tasks", f"?issue={told.fingerprint}&since=all").content.decode()
    shown = [f'id="task-{pk}"' in found for pk in Task.objects.order_by("pk").values_list("pk", flat=True)]
    assert shown == [True, True, True, False]
    typed = page("oscar", "tasks", f"?q=issue:{told.fingerprint}&since=all").content.decode()
    assert typed.count('id="task-') == found.count('id="task-')
    task = page("oscar", "task", id=Task.objects.get(task_id="t1").pk).content.decode()
    assert reverse("issue", kwargs=PLACE | {"id": told.fingerprint}) in task


def test_all_tasks_of_an_issue_are_retried_by_one_operation(told, cast, client):
    body = {"action": "task.retry", "filter": {"issue": told.fingerprint}, "reason": "fixed"}
    bearer = cast.bearer("oscar")
    address = reverse("api-operations", kwargs=PLACE)
    answer = client.post(address, body, content_type="application/json", **bearer)
    assert answer.status_code == 202, answer.content
    assert Operation.objects.get().total == 3


def test_resolving_says_who_and_in_which_release_and_a_failure_after_it_is_back(told, cast, post, page):
    rows.worker(cast.production, facts={"code": "v398"}, started_at=timezone.now())
    post("oscar", "resolve", told, reason="rolled out")
    told.refresh_from_db()
    assert (told.state, told.resolved_by, told.resolved_code) == (IssueState.RESOLVED, "oscar", "v398")
    assert Entry.objects.filter(action="issue.resolve").count() == 1
    Issue.objects.update(resolved_at=told.last_at)
    ingest(cast.agent_key(), sent.parsed(failed(5, "t5", 60), boot=sent.BOOT), 1)
    text = page("oscar", "issue", id=told.fingerprint).content.decode()
    assert "back, was resolved in v398" in text


def test_one_is_taken_given_away_and_found_under_mine(told, cast, post, page):
    post("oscar", "take", told, list="1")
    assert 'Mine<span class="n">1</span>' in page("oscar").content.decode()
    assert told.fingerprint in page("oscar", query="?state=mine").content.decode()
    post("oscar", "assign", told, assignee="vera")
    told.refresh_from_db()
    assert told.assignee == cast.user("vera")
    for stranger in ("stan", "nobody"):
        post("oscar", "assign", told, assignee=stranger)
    told.refresh_from_db()
    assert told.assignee == cast.user("vera")


def test_who_only_looks_may_say_nothing(told, post, page):
    assert post("vera", "resolve", told).status_code == 403
    assert "Retry all" not in page("vera", "issue", id=told.fingerprint).content.decode()
    told.refresh_from_db()
    assert told.state == IssueState.OPEN


def test_snoozed_until_it_doubles_or_for_a_while_and_opened_again(told, cast):
    actor = Actor.of_user(cast.user("oscar"))
    assert actions.snooze(told, actor=actor).snoozed_to == 6
    until = timezone.now() + timedelta(days=1)
    assert actions.snooze(told, until, actor=actor).snoozed_until == until
    assert actions.reopen(told, actor=SYSTEM).state == IssueState.OPEN


def test_the_api_tells_messages_to_tokens_with_the_scope_alone(told, cast, client):
    bearer = cast.bearer("oscar")
    address = reverse("api-issues", kwargs=PLACE)
    [first, second] = client.get(address, {"state": "open"}, **bearer).json()["results"]
    assert (second["id"], second["count"], sum(second["trend"])) == (told.fingerprint, 3, 0)
    assert first["error_type"] == "shop.errors.KeyError"
    assert first["message"] == "no answer"
    assert {row["message"] for row in client.get(address, **cast.bearer("audrey")).json()["results"]} == {None}
    cast.sign_in(client, "oscar")
    assert {row["message"] for row in client.get(address).json()["results"]} == {None}
    assert client.get(address, {"mine": "true"}).json()["results"] == []
    assert client.get(address, {"name": "shop.pay"}).json()["results"][0]["id"] == first["id"]
    assert client.get(address, {"colour": "red"}).status_code == 400


def test_whoever_does_not_see_all_queues_finds_no_issue(told, cast, page, post):
    give = {"effect": Effect.DENY, "queue_glob": "hr", "actor": SYSTEM}
    granting.give(cast.production, cast.user("oscar"), Role.OPERATOR, **give)
    text = page("oscar").content.decode()
    assert "Issues count all queues" in text
    assert told.fingerprint not in text
    assert page("oscar", "issue", id=told.fingerprint).status_code == 404
    assert post("oscar", "resolve", told).status_code == 404


def test_nothing_of_another_tenant_is_there(told, cast, page, client):
    theirs = issue(cast.island, name="island.sink")
    assert "island.sink" not in page("oscar").content.decode()
    assert page("oscar", "issue", id=theirs.fingerprint).status_code == 404
    cast.sign_in(client, "stan")
    assert client.get(reverse("api-issue", kwargs=PLACE | {"pk": told.fingerprint})).status_code == 404
