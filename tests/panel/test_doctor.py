"""The doctor's page and the capabilities: what agents say, told where a person looks for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import rows
from z4j_brain.operations.models import Command, Item, Operation

PLACE = {"project": "harbor", "environment": "production"}


@pytest.fixture
def page(client, cast):
    def page(name="doctor", who="olive", **query):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        answer = client.get(reverse(name, kwargs=PLACE), query)
        assert answer.status_code == 200
        return answer.content.decode()

    return page


@pytest.fixture
def send(client, cast):
    def send(*engines, who="olive"):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        return client.post(reverse("doctor", kwargs=PLACE), {"engine": engines})

    return send


def engine(name="celery", **parts):
    return {"name": name, "version": "5.7", "capabilities": {}, "missing": {}, "advice": []} | parts


def ago(**span):
    return timezone.now() - timedelta(**span)


def test_with_all_well_the_doctor_says_so(page, cast):
    assert "No worker was heard yet" in page()
    rows.agent(cast.production)
    rows.worker(cast.production, queues=["emails"])
    rows.queue(cast.production)
    assert "nothing was dropped" in page()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seen_at": "long"}, "No worker with an agent has answered for 60 s"),
        (
            {"problems": [{"engine": "rq", "code": "x", "text": "The broker of rq is gone."}]},
            "The broker of rq is gone.",
        ),
        (
            {"clock_us": -90_000_000},
            "Clocks are up to 90 s away from the brain&#x27;s: commands count as expired there.",
        ),
        ({"clock_us": 6_000_000}, "times of one task may not fit together"),
        ({"counters": {"dropped": {"full": 1200, "big": 34}}}, "1,234 events were dropped"),
    ],
    ids=["silence", "a problem", "a clock that breaks", "a clock that is off", "drops"],
)
def test_what_is_wrong_with_an_agent_is_told(page, cast, fields, told):
    fields = {name: ago(minutes=5) if value == "long" else value for name, value in fields.items()}
    rows.agent(cast.production, name="mail-7", **fields)
    rows.agent(cast.island, problems=[{"engine": "rq", "code": "x", "text": "canary of another tenant"}])

    html = page()

    assert told in html
    assert "canary" not in html


def test_a_queue_without_a_worker_and_a_worker_without_a_word_are_told(page, cast):
    rows.agent(cast.production)
    rows.queue(cast.production, name="letters", depth=1200)
    rows.worker(cast.production, name="w9", heartbeat_at=ago(minutes=10), running=[{"task_id": "t", "name": "n"}])

    html = page()

    assert "1,200 tasks wait in letters, and no worker takes from it." in html
    assert "1 worker fell silent without a goodbye while running 1 task." in html


def test_advice_of_many_workers_is_told_once_with_its_fix(page, cast):
    advice = [{"code": "a", "text": "A killed worker loses its task.", "fix": "Set task_acks_late."}]
    for number in range(5):
        rows.agent(cast.production, name=f"w{number}", engines=[engine(advice=advice)])

    html = page()

    assert html.count("A killed worker loses its task.") == 1
    assert "Set task_acks_late." in html
    assert "w0, w1, w2 and 2 more" in html


def test_a_hello_is_followed_hop_by_hop(page, send, cast):
    rows.agent(cast.production, verbs=("hello",))
    assert "No hello was sent through it yet." in page()

    assert send("celery").status_code == 302

    command = Command.objects.get()
    assert (command.verb, command.engine, command.operation.action) == ("hello", "celery", "engine.hello")
    assert "No agent has taken it yet." in page()

    Item.objects.update(outcome="done", progress="settled", settled_at=timezone.now(), new_task_id="h1")
    assert "no event of it has come here" in page()

    task = rows.task(cast.production, task_id="h1", name="z4j.hello", state="queued", enqueued_at=timezone.now())
    assert "no worker with an agent has taken it" in page()

    task.state, task.started_at, task.worker = "started", timezone.now(), "w1"
    task.save()
    assert "w1 runs it and has not finished" in page()

    task.state, task.finished_at = "succeeded", timezone.now()
    task.save()
    assert "It arrived: w1 ran it" in page()


def test_a_hello_is_sent_by_those_who_manage_agents_through_engines_that_were_heard(page, send, cast):
    rows.agent(cast.production, verbs=("hello",))
    assert "Send a hello" in page()
    assert "Send a hello" not in page(who="oscar")
    assert send("celery", who="oscar").status_code == 403
    assert send("unheard-of").status_code == 400
    assert not Operation.objects.exists()


def test_capabilities_tell_for_each_engine_what_can_be_done_how_and_why_not(page, cast):
    able = {"retry": {"note": "under a new id", "support": "emulated"}, "purge": {"note": "", "support": "native"}}
    told = [
        engine(capabilities=able, missing={"grow": "The pool is solo."}),
        engine("rq", capabilities={"retry": {"note": "", "support": "native"}}),
    ]
    refused = {"purge": "This worker's own settings do not allow purge (Z4J_ALLOW)."}
    rows.agent(cast.production, engines=told, allowed=["retry"], refused=refused)

    both, one = page("capabilities"), page("capabilities", engine="celery")

    assert "celery: Emulated" in both and "rq: Native" in both
    assert "under a new id" in one
    assert "The pool is solo." in one
    assert "do not allow purge" in one


def test_schedulers_stand_in_a_table_of_their_own(page, cast):
    told = {
        "schedules": {"note": "", "support": "native"},
        "schedule_disable": {"note": "at once", "support": "native"},
    }
    beat = engine("nightcron", capabilities=told, missing={"schedule_edit": "Its plans stand in code."})
    rows.agent(cast.production, role="scheduler", engines=[engine(), beat], allowed=["schedule_disable"])
    elsewhere = engine("daycron", missing={"schedule_disable": "It does not run in this process."})
    rows.agent(cast.production, engines=[engine(), elsewhere])

    both, one = page("capabilities"), page("capabilities", engine="nightcron")

    engines, _, schedulers = both.partition("What can be done with each scheduler")
    assert "nightcron: Native" in schedulers and "daycron: Not possible" in schedulers
    assert "celery: Not possible" in engines and "cron: " not in engines
    assert "Disable a schedule" in one and "Its plans stand in code." in one
    assert "Purge a queue" not in one


def test_workers_of_one_engine_that_differ_are_told_apart(page, cast):
    grows = engine(capabilities={"grow": {"note": "adds a process", "support": "native"}})
    rows.agent(cast.production, engines=[grows], allowed=["grow"])
    rows.agent(cast.production, engines=[engine(missing={"grow": "The pool is solo."})])

    assert "adds a process; not on every worker: The pool is solo." in page("capabilities", engine="celery")


def test_hellos_of_another_tenant_hide_nobodys(page, send, cast):
    rows.agent(cast.production, verbs=("hello",))
    send("celery")
    for number in range(30):
        theirs = rows.operation(cast.island, [], action="engine.hello", target_kind="engine", total=1)
        Item.objects.create(operation=theirs, target_id="celery", label=f"canary-{number}")

    assert "asked by olive" in page()
