"""One run beside another: which one is the last good, what differs, and who is shown values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Role
from z4j_brain.tasks import comparing

NOW = timezone.now()
CANARY = "canary-7714"


@pytest.fixture
def run(cast):
    """A run of half a minute unless told otherwise; the newest of all."""

    def run(state="failed", **fields):
        usual = {"state": state, "worker": "mail-1", "started_at": NOW, "finished_at": NOW, "runtime_ms": 30_000.0}
        return rows.task(cast.production, **{**usual, **fields})

    return run


@pytest.fixture
def page(client, cast):
    def page(who, task, query="", **posted):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        path = f"/harbor/production/tasks/{task.pk}/compare/{query}"
        return client.post(path, posted, follow=True) if posted else client.get(path)

    return page


def test_the_last_good_run_is_the_newest_of_its_name_before_it_that_succeeded(cast, run):
    run("succeeded")
    good = run("succeeded")
    run("succeeded", name="shop.other")
    run("succeeded", engine="rq")
    rows.task(cast.staging, state="succeeded")
    run("failed")
    task = run("failed")
    run("succeeded")

    assert comparing.last_good(SYSTEM, task) == (good, 0)
    assert comparing.last_good(SYSTEM, run(name="shop.new")) == (None, 0)


def test_where_too_many_failed_before_it_that_is_said(run, monkeypatch):
    monkeypatch.setattr(comparing, "FINDS", 2)
    monkeypatch.setattr("z4j_brain.tasks.walk.SCATTERED", 50)
    monkeypatch.setattr("z4j_brain.tasks.walk.LEAST", 50)
    run("succeeded")
    for _ in range(110):
        run()

    assert comparing.last_good(SYSTEM, run()) == (None, 100)


def test_what_differs_is_told_first_and_with_a_word_what_is_equal_is_folded(cast, run, page):
    rows.worker(cast.production, name="mail-1", facts={"code": "v411"}, started_at=NOW - timedelta(hours=1))
    rows.worker(cast.production, name="mail-2", facts={"code": "v412"}, started_at=NOW + timedelta(hours=1))
    run("succeeded", runtime_ms=640.0, attempt=0, max_attempts=4)
    task = run(worker="mail-2", error_type="SMTPServerDisconnected", attempt=3, max_attempts=4)

    found = comparing.compared(SYSTEM, task, comparing.last_good(SYSTEM, task)[0], shown=False)

    assert [(fact.label, fact.here, fact.there) for fact in found.differences] == [
        ("State", "Failed", "Succeeded"),
        ("Error", "SMTPServerDisconnected", ""),
        ("Worker", "mail-2", "mail-1"),
        ("Code version", "not known, its worker was restarted since", "v411"),
        ("Ran", "30.0 s", "640 ms"),
        ("Attempts", "4 of 4", "1 of 4"),
    ]
    assert next(fact.note for fact in found.facts if fact.label == "Ran") == "46.9 times as long"
    assert [fact.label for fact in found.same] == ["Task", "Engine", "Queue"]
    assert found.words == "They differ in state, error, worker, code version, ran and attempts."
    told = page("vera", task).content.decode()
    assert "3 facts are the same" in told
    assert told.index("What differs") < told.index("facts are the same")


def test_any_run_is_compared_with_by_either_of_its_ids_and_an_unknown_one_is_explained(cast, run, page):
    other, task = run("failed", name="shop.other"), run()
    elsewhere = rows.task(cast.island)

    for wanted in (other.task_id, other.pk):
        told = page("vera", task, f"?with={wanted}")
        assert told.status_code == 200
        assert f"/tasks/{other.pk}/" in told.content.decode()
    for wanted in (elsewhere.pk, "nothing", "9" * 30):
        told = page("vera", task, f"?with={wanted}")
        assert (told.status_code, "No run here has this id" in told.content.decode()) == (400, True)
        assert f"/tasks/{elsewhere.pk}/" not in told.content.decode()
    assert "on the page already" in page("vera", task, f"?with={task.pk}").content.decode()


def test_who_sees_some_queues_alone_is_compared_with_runs_of_those(cast, run, page):
    good = run("succeeded")
    hidden = run("succeeded", queue="secret")
    task = run()
    granting.give(cast.production, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)

    assert comparing.last_good(cast.actor("stan"), task)[0] == good
    assert page("stan", task, f"?with={hidden.pk}").status_code == 400


def test_values_are_shown_once_asked_for_with_an_entry_for_each_run(run, page):
    good = run("succeeded", args=f"('{CANARY}-good',)", result="None")
    task = run(args=f"('{CANARY}-bad',)", error_message=f"{CANARY}-message")

    told = page("vera", task).content.decode()
    assert CANARY not in told
    assert "1 argument</span>" in told
    assert "the same" not in told.split("What differs")[1].split("facts are")[0]

    shown = page("vera", task, reason="a customer calls").content.decode()

    for part in ("good", "bad", "message"):
        assert f"{CANARY}-{part}" in shown
    shown_to = Entry.objects.filter(action="task.show", outcome="allowed").values_list("target_id", flat=True)
    assert sorted(shown_to) == sorted([str(good.pk), str(task.pk)])


def test_who_may_not_see_values_is_shown_none_and_cannot_ask(run, page):
    run("succeeded", args=f"('{CANARY}',)")
    task = run(args=f"('{CANARY}',)")

    told = page("audrey", task).content.decode()
    assert CANARY not in told
    assert "Ask to show" not in told
    assert "view_payload" in told
    assert page("audrey", task, reason="let me").status_code == 403
    assert CANARY not in page("audrey", task).content.decode()
