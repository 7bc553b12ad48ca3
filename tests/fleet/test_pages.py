"""The pages of queues, workers and dead letters say how it goes in sentences, and what is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.ingest import Arrival, End

HERE = "/harbor/production/"
ASKED = ("retry", "pause", "resume", "purge", "grow", "shrink", "restart", "stop")
FOUR = {"kind": "prefork", "size": 4}


@pytest.fixture
def see(cast, client):
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")

    def see(path):
        answer = client.get(HERE + path)
        assert answer.status_code == 200
        return answer.content.decode()

    return see


@pytest.fixture
def flow(cast, db):
    """So many came into a queue just now, and so many ended there, each after so long."""

    def flow(came, ended, *, queue="emails", took=1_000_000, name="shop.pay"):
        now = int(timezone.now().timestamp() * 1_000_000)
        facts = [Arrival("celery", queue, name, now) for _ in range(came)]
        facts += [End("celery", queue, name, now, "succeeded", 0, took, took) for _ in range(ended)]
        stats.apply(cast.production.pk, [], facts)

    return flow


def runs(minutes, name="shop.pay"):
    began = timezone.now() - timedelta(minutes=minutes)
    return {"task_id": f"t-{minutes}", "name": name, "started": int(began.timestamp() * 1_000_000)}


def test_the_gravest_queues_are_told_above_the_table_with_a_next_step(see, flow, cast):
    rows.worker(cast.production, queues=["emails"], concurrency={"kind": "prefork", "size": 1}, running=[runs(1)])
    rows.queue(cast.production, depth=1240)
    rows.queue(cast.production, name="scratch", depth=11_904)
    rows.queue(cast.production, name="letters", depth=2)
    flow(90, 30)

    page = see("queues/")

    assert "scratch is served by no worker that answers." in page
    assert "emails fills faster than it drains." in page
    assert "Add workers or slots, or find what keeps them." in page
    assert "letters is served" not in page
    assert "3 in production, 13,146 waiting" in page


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"depth": 60}, "emails will be empty in about"),
        ({"depth": 0}, "emails is empty."),
        ({"depth": 60, "measured_at": timezone.now() - timedelta(hours=1)}, "emails has not been measured lately"),
        ({"depth": 60, "paused_at": timezone.now(), "paused_by": "mara"}, "emails is paused"),
    ],
)
def test_a_queue_says_in_a_sentence_what_becomes_of_it(see, flow, cast, state, sentence):
    rows.worker(cast.production, queues=["emails"])
    queue = rows.queue(cast.production, **state)
    flow(10, 40)

    assert sentence in see(f"queues/{queue.pk}/")


def test_who_paused_a_queue_and_why_stands_in_its_row_and_on_its_page(see, cast):
    paused = {"paused_at": timezone.now(), "paused_by": "mara", "paused_reason": "ledger migration"}
    queue = rows.queue(cast.production, **paused)

    assert "paused by mara" in see("queues/")
    assert "mara paused it" in see(f"queues/{queue.pk}/")
    assert "<q>ledger migration</q>. Resume it to go on." in see(f"queues/{queue.pk}/")


def test_a_queue_tells_what_it_holds_by_name_and_where_more_may_be(see, cast, monkeypatch):
    queue = rows.queue(cast.production, depth=9)
    for state, name in (("queued", "shop.pay"), ("scheduled", "shop.pay"), ("started", "shop.mail")):
        rows.task(cast.production, state=state, name=name)
    rows.task(cast.production, state="queued", name="shop.other", queue="letters")

    page = see(f"queues/{queue.pk}/")

    assert "2 wait as tasks that were told of, the broker counts 9" in page
    assert "shop.pay" in page
    assert "shop.other" not in page
    assert "there may be more" not in page
    monkeypatch.setattr("z4j_brain.tasks.held.LOOKED", 1)
    assert "there may be more" in see(f"queues/{queue.pk}/")


def test_workers_stand_by_the_code_they_run_and_old_code_stands_out(see, cast):
    now = timezone.now()
    for name, code, age in (("new-1", "v412", 1), ("old-1", "v411", 300), ("old-2", "v411", 299)):
        facts, started = {"code": code}, now - timedelta(minutes=age)
        rows.worker(cast.production, name=name, facts=facts, started_at=started, host="box-7")
    rows.worker(cast.production, name="lone", engine="rq", facts={"code": "v9"}, started_at=now - timedelta(days=9))

    page = see("workers/")

    assert page.index("<b>v412</b>") < page.index("<b>v411</b>") < page.index("<b>v9</b>")
    assert page.count("older code") == 1
    assert page.count(">newest<") == 1
    assert "<b>box-7</b>" in see("workers/?by=host")
    assert "old-2" in see("workers/?code=v411")
    assert "new-1" not in see("workers/?code=v411")


def test_of_a_large_group_the_busiest_are_shown_and_the_rest_is_a_click_away(see, cast):
    for at in range(40):
        rows.worker(cast.production, name=f"w-{at:02}", concurrency=FOUR, running=[runs(1)] * (at == 39))

    page = see("workers/")

    assert "40 workers" in page
    assert "the 12 busiest shown" in page
    assert "w-39" in page
    assert 'href="?code=">Show all</a>' in page
    assert see("workers/?code=").count('<tr id="worker-') == 20


def test_a_slot_shows_that_its_task_runs_for_longer_than_usual(see, flow, cast):
    flow(0, 30, took=2_000_000)
    rows.worker(cast.production, concurrency=FOUR, running=[runs(5), runs(0), runs(5, "shop.unheard")])

    assert "3 of 4 slots busy, 1 for longer than usual" in see("workers/")


def test_workers_that_are_gone_are_folded_away_unless_tasks_went_with_them(see, cast):
    rows.worker(cast.production, name="here")
    rows.worker(cast.production, name="left", offline_at=timezone.now())
    assert '<details class="frame"><summary>' in see("workers/")

    rows.worker(
        cast.production, name="mute", heartbeat_at=timezone.now() - timedelta(minutes=9), running=[runs(9), runs(10)]
    )
    rows.worker(cast.production, name="long-gone", heartbeat_at=timezone.now() - timedelta(days=2))
    page = see("workers/")

    assert "Gone in the last hour</b>" in page
    assert "(2), 2 tasks went with them" in page
    assert '<details class="frame" open>' in page
    assert "long-gone" not in page
    assert "long-gone" in see("workers/?gone")


def test_a_worker_tells_what_it_runs_and_what_its_owner_refuses(see, cast):
    engine = {"name": "celery", "capabilities": {"purge": {"note": ""}, "cancel": {"note": "kills the child"}}}
    agent = rows.agent(
        cast.production, engines=[engine], allowed=["cancel"], refused={"purge": "Z4J_ALLOW does not name purge."}
    )
    queue = rows.queue(cast.production, depth=7)
    worker = rows.worker(
        cast.production, agent=agent, queues=["emails"], running=[runs(5)], host="box-7", facts={"paused": ["emails"]}
    )

    page = see(f"workers/{worker.pk}/")

    assert "Z4J_ALLOW does not name purge." in page
    assert "kills the child" in page
    assert "/jump/?q=t-5" in page
    assert f"/queues/{queue.pk}/" in page
    assert "paused here: it takes nothing" in page


def test_dead_letters_tell_what_brokers_keep_beside_what_is_known(see, cast):
    rows.queue(cast.production, depth=0, dead=5)
    for error in ("Timeout", "Timeout", "Refused"):
        rows.task(cast.production, state="dead_lettered", error_type=error)

    page = see("dead-letters/")

    assert "5 kept by brokers, 3 known as tasks" in page
    assert "queue=emails&amp;engine=celery&amp;state=dead_lettered&amp;since=all" in page
    assert "error=Timeout&amp;state=dead_lettered&amp;since=all" in page


@pytest.mark.parametrize("path", ["queues/", "workers/", "workers/?by=host", "workers/?engine=celery", "dead-letters/"])
def test_a_page_costs_the_same_however_much_it_shows(see, flow, cast, client, path):
    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")  # who may ask for most

    def add(number):
        name = f"q-{number}"
        busy = {"running": [runs(1)], "concurrency": {"kind": "prefork", "size": 16}, "host": f"box-{number}"}
        rows.worker(cast.production, name=name, queues=[name], agent=rows.agent(cast.production, verbs=ASKED), **busy)
        flow(number + 2, number + 1, queue=name)
        rows.queue(cast.production, name=name, dead=1)
        rows.task(cast.production, state="dead_lettered", queue=name)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert len(see(path)) < 60 * 1024
        return len(captured)

    add(0)
    see(path)
    few = queries()
    for number in range(1, 41):
        add(number)

    assert queries() == few
