"""A task that waits says why, out of what agents told: each cause in a sentence with the next step."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone

from tests import rows
from tests import wire as sent
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.operations.models import Command, Item
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

HERE = "/api/v1/harbor/production/"
MINUTE = 60_000_000


@pytest.fixture
def tell(cast):
    """What an agent says: tell("task.enqueued", queue="emails"). A worker of emails with two slots has come online."""
    seq = count(1)

    def tell(kind, *, data=None, **event):
        told = {"seq": next(seq), "kind": kind, "ts": sent.now(), "engine": "celery", **event}
        if kind.startswith("task."):
            told = {"task_id": "t1", "name": "shop.mail", "queue": "emails", "attempt": 0} | told
        ingest(cast.agent_key(), sent.parsed(told | ({"data": data} if data else {}), boot=sent.BOOT))

    return tell


@pytest.fixture
def worker(tell):
    def worker(name="mail-1", running=0, queues=("emails",), **more):
        runs = [{"task_id": f"r{at}", "name": "shop.pay", "started": sent.now() - 6 * MINUTE} for at in range(running)]
        concurrency = {"kind": "prefork", "size": 2}
        data = {"started": 1, "queues": list(queues), "running": runs, "concurrency": concurrency} | more
        tell("worker.online", worker=name, data=data)

    return worker


@pytest.fixture
def queue(tell):
    return lambda depth=1, **more: tell(
        "queue.snapshot", queue="emails", data={"name": "emails", "depth": depth} | more
    )


@pytest.fixture
def why(client, cast):
    """By code, the sentences that the API gives."""

    def why():
        task = Task.objects.get(task_id="t1")
        found = client.get(f"{HERE}tasks/{task.pk}/", **cast.bearer("vera")).json()["waiting"]
        return {reason["code"]: reason["text"] for reason in found}

    return why


def test_it_is_not_due(tell, worker, queue, why):
    worker()
    queue()
    tell("task.enqueued", eta=sent.now() + 10 * MINUTE)

    assert "It is due at" in why()["eta"]
    assert why().keys() == {"eta"}


def test_an_attempt_failed_and_the_next_one_is_delayed(tell, worker, queue, why):
    worker()
    queue()
    tell("task.enqueued")
    tell("task.started", run=sent.now(), worker="mail-1")
    tell("task.retrying", run=sent.now(), worker="mail-1", eta=sent.now() + 10 * MINUTE, max_attempts=5)

    assert why()["retry_delayed"].startswith("Attempt 1 of 5 failed. The next one begins at")


def test_its_queue_is_paused_and_by_whom_and_why_is_told(tell, worker, queue, why):
    worker()
    queue()
    tell("task.enqueued")
    Queue.objects.update(
        paused_at=timezone.now() - timedelta(minutes=6), paused_by="mara", paused_reason="ledger migration"
    )

    assert why()["paused"] == "mara paused emails 6 min ago: “ledger migration”. Resume the queue to go on."


def test_every_worker_of_its_queue_was_told_to_pause(tell, worker, queue, why):
    worker(paused=["emails"])
    queue()
    tell("task.enqueued")

    assert "Every worker that serves emails was told to take nothing from it (mail-1)." in why()["paused"]


def test_no_worker_takes_from_its_queue(tell, worker, queue, why):
    worker(queues=["letters"])
    queue()
    tell("task.enqueued")

    assert why().keys() == {"no_worker"}
    assert why()["no_worker"].startswith("No worker that answers takes from emails.")


def test_every_slot_is_busy(tell, worker, queue, why):
    worker(running=2)
    worker("mail-2", running=2)
    queue()
    tell("task.enqueued")

    assert why()["busy"].startswith(
        "All slots that serve emails are busy: 4 of 4 on 2 workers. The longest runs shop.pay"
    )


def test_a_busy_worker_has_taken_it_already(tell, worker, queue, why):
    worker(running=2)
    tell("task.enqueued")
    tell("task.received", worker="mail-1")

    assert "mail-1 has taken it already and runs shop.pay, for 6 min" in why()["prefetched"]


def test_whoever_took_it_does_not_answer(tell, worker, why):
    worker()
    tell("task.enqueued")
    tell("task.received", worker="mail-1")
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))

    assert why()["worker_gone"].startswith("mail-1 took it and fell silent 5 min ago: probably it is lost.")


def test_a_rate_limit_holds_it_until_another_is_set(tell, worker, queue, why, cast):
    worker()
    tell("task.enqueued")
    tell("task.received", worker="mail-1")

    def limit(rate, name="shop.mail"):
        asked = rows.operation(cast.production, [], action="worker.rate_limit", target_kind="worker", actor_name="mara")
        command = Command.objects.create(
            operation=asked,
            environment=cast.production,
            engine="celery",
            verb="rate_limit",
            params={"name": name, "rate": rate},
            expires_at=timezone.now(),
        )
        Item.objects.create(operation=asked, command=command, target_id=str(uuid.uuid4()), outcome="done")

    limit("1/m", "shop.other")
    assert why().keys() == {"nothing"}
    limit("10/m")
    assert why()["rate_limit"].startswith("mara limited shop.mail to 10/m")
    limit("0")
    assert why().keys() == {"nothing"}


def test_nobody_measures_its_queue(tell, worker, queue, why):
    worker()
    queue()
    tell("task.enqueued")
    Queue.objects.update(measured_at=timezone.now() - timedelta(minutes=5))

    assert why()["unmeasured"].startswith("Nobody has measured emails for 5 min")


def test_it_stands_in_line_or_was_taken_without_a_word(tell, worker, queue, why):
    worker(running=1)
    tell("task.enqueued")
    queue(depth=1240)
    assert why()["in_line"].startswith("It stands in line: 1,240 tasks wait in emails, and 1 of 2 slots is busy.")

    queue(depth=0, in_flight=0)
    assert why()["missing"].startswith("emails was empty")


def test_where_nothing_is_known_it_says_so_and_one_that_began_says_nothing(tell, worker, queue, why):
    worker()
    tell("task.enqueued")
    queue(depth=1)
    assert why() == {"nothing": "Nothing that is known stops it. If it stays so, ask the doctor."}

    tell("task.started", run=sent.now(), worker="mail-1")
    assert why() == {}


def test_the_page_of_the_task_says_the_same_and_leads_on(tell, worker, client, cast):
    worker(queues=["letters"])
    tell("task.enqueued")
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(f"/harbor/production/tasks/{Task.objects.get(task_id='t1').pk}/").content.decode()

    assert "No worker that answers takes from emails." in page
    assert 'href="/harbor/production/connect/">Connect a worker</a>' in page
