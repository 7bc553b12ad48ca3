"""Which tasks agents are asked about, and which of them may be called lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import rows
from z4j_brain.tasks import doubts
from z4j_brain.tasks.doubts import Rounds


@pytest.fixture
def place(cast):
    return cast.production


@pytest.fixture
def asked(place):
    """What a first round asks about `engine`: by task id, whether it is an orphan."""

    def asked(engine="celery", settles=0.0):
        return {look["task_id"]: look["orphan"] for look in Rounds(settles).deal(place.pk, [engine])}

    return asked


def ago(**span):
    return timezone.now() - timedelta(**span)


def running(place, **fields):
    """A task that runs on w1 since 5 minutes, without a word."""
    since = ago(minutes=5)
    usual = {"state": "started", "worker": "w1", "started_at": since, "first_at": since, "last_at": since}
    return rows.task(place, **usual | fields)


def working(place, *tasks, **fields):
    run = [{"task_id": task.task_id, "name": task.name, "started": 1} for task in tasks]
    return rows.worker(place, name="w1", running=run, **{"started_at": ago(hours=1)} | fields)


def test_what_a_worker_says_it_runs_is_in_no_doubt(place, asked):
    working(place, running(place))
    assert asked() == {}


def test_what_has_ended_or_was_just_heard_of_is_in_no_doubt(place, asked):
    rows.task(place, state="succeeded", last_at=ago(hours=1))
    running(place, last_at=ago(seconds=10))
    rows.task(place, state="scheduled", eta=timezone.now() + timedelta(hours=1), last_at=ago(hours=1))
    assert asked() == {}


@pytest.mark.parametrize(
    ("fields", "orphan"),
    [
        ({}, False),
        ({"offline_at": "long"}, True),
        ({"offline_at": "now"}, False),
        ({"started_at": "long"}, True),
        ({"heartbeat_at": "long"}, True),
        ({"heartbeat_at": "now"}, False),
    ],
    ids=["it lives", "it left", "it just left", "it began anew", "it is silent", "it is heard"],
)
def test_a_task_is_an_orphan_when_its_worker_is_gone(place, asked, fields, orphan):
    task = running(place)
    moments = {"long": ago(minutes=3), "now": timezone.now()}
    working(place, **{name: moments[moment] for name, moment in fields.items()})
    assert asked() == {task.task_id: orphan}


def test_without_any_sign_of_its_worker_a_task_is_an_orphan_after_an_hour(place, asked):
    young, old = running(place, worker="unheard"), running(place, worker="unheard", last_at=ago(hours=2))
    assert asked() == {young.task_id: False, old.task_id: True}


def test_a_task_of_another_worker_that_runs_it_again_is_in_no_doubt(place, asked):
    task = running(place, worker="w0")
    rows.worker(place, name="w0", offline_at=ago(minutes=4))
    working(place, task)
    assert asked() == {}


def waiting(place, **fields):
    usual = {"state": "queued", "queue": "mail", "enqueued_at": ago(hours=1), "last_at": ago(hours=1)}
    return rows.task(place, **usual | fields)


@pytest.mark.parametrize(
    ("measured", "orphan"),
    [
        (None, False),
        ({"depth": 0, "in_flight": 0}, True),
        ({"depth": 1}, False),
        ({"depth": 0, "in_flight": 1}, False),
        ({"depth": 0, "exact": False}, False),
        ({"depth": 0, "measured_at": timedelta(hours=2)}, False),
    ],
    ids=["never measured", "empty", "it waits", "in flight", "not exact", "stale"],
)
def test_a_waiting_task_is_an_orphan_when_its_queue_is_empty(place, asked, measured, orphan):
    task = waiting(place)
    if measured is not None:
        back = measured.pop("measured_at", timedelta())
        rows.queue(place, name="mail", measured_at=timezone.now() - back, **measured)
    assert asked() == {task.task_id: orphan}


def test_agents_that_are_still_coming_back_orphan_nobody(place, asked):
    task = running(place)
    working(place, offline_at=ago(hours=1))
    assert asked(settles=60.0) == {task.task_id: False}


def test_each_doubt_is_dealt_once_a_round_and_the_next_round_goes_on(place, cast, monkeypatch):
    monkeypatch.setattr(doubts, "OF_A_STATE", 3)
    monkeypatch.setattr(doubts, "AT_ONCE", 2)
    ids = [running(place).task_id for _ in range(5)]
    rows.task(cast.island, state="started", last_at=ago(hours=1))
    rounds = Rounds(0)

    def deal():
        return [look["task_id"] for look in rounds.deal(place.pk, ["celery", "other"])]

    assert [deal(), deal(), deal()] == [ids[:2], ids[2:3], []]
    monkeypatch.setattr(doubts, "ROUND", 0.0)
    assert [deal(), deal()] == [ids[3:], ids[:2]]


def test_a_round_asks_the_store_the_same_however_many_engines_are_spoken_of(place):
    running(place)

    def queries(engines):
        with CaptureQueriesContext(connection) as captured:
            Rounds(0).deal(place.pk, engines)
        return len(captured)

    assert queries([f"made-up-{number}" for number in range(500)]) == queries(["celery"])


def test_an_agent_is_asked_about_its_own_engines_only(place):
    task = running(place)
    rounds = Rounds(0)
    assert rounds.deal(place.pk, ["rq"]) == []
    assert [look["task_id"] for look in rounds.deal(place.pk, ["celery"])] == [task.task_id]
