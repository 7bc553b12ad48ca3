"""Queues and workers as agents tell of them: the newest word stands, whoever says it and whenever it arrives."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from tests import wire as sent
from z4j_brain.agents.models import Agent
from z4j_brain.fleet import ingest as fleet
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.stats.queries import Point
from z4j_brain.stats.totals import Totals
from z4j_brain.tasks.ingest import ingest

OTHER = uuid.UUID("01900000-0000-7000-8000-000000000002")


@pytest.fixture
def key(cast):
    return cast.agent_key()


def give(key, *events, boot=sent.BOOT):
    return ingest(key, sent.parsed(*events, boot=boot))


def snapshot(seq, ts, **data):
    told = {"seq": seq, "kind": "queue.snapshot", "ts": ts, "engine": "celery", "queue": "mail"}
    return told | {"data": {"name": "mail", **data}}


def test_a_queue_is_what_was_measured_last(key):
    give(key, snapshot(1, sent.START, depth=7, delayed=2, dead=1, oldest=sent.START - 5_000_000, exact=False))

    queue = Queue.objects.get()
    assert (queue.engine, queue.name, queue.depth, queue.delayed, queue.dead) == ("celery", "mail", 7, 2, 1)
    assert (queue.in_flight, queue.exact) == (None, False)
    assert queue.oldest_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=sent.START - 5_000_000)

    give(key, snapshot(2, sent.START + 10, depth=3), snapshot(3, sent.START + 20, depth=0, in_flight=3))

    queue.refresh_from_db()
    assert (queue.depth, queue.delayed, queue.dead, queue.in_flight, queue.oldest_at) == (0, None, None, 3, None)


def test_a_measurement_that_comes_late_changes_nothing(key):
    give(key, snapshot(1, sent.START + 100, depth=5))
    give(key, snapshot(1, sent.START, depth=900), boot=OTHER)

    assert Queue.objects.get().depth == 5


def test_a_clock_that_runs_ahead_does_not_hold_a_queue_for_itself(key):
    give(key, snapshot(1, sent.now() + 3_600_000_000, depth=5))
    assert Queue.objects.get().measured_at <= timezone.now()

    give(key, snapshot(1, sent.now(), depth=6), boot=OTHER)
    assert Queue.objects.get().depth == 6


def test_queues_that_nobody_measures_are_forgotten_in_time(key):
    give(key, snapshot(1, sent.now(), depth=5))
    fleet.prune()
    assert Queue.objects.count() == 1

    fleet.prune(timezone.now() + fleet.QUEUES_KEPT + timedelta(days=1))
    assert Queue.objects.count() == 0


def test_an_agent_says_what_it_cannot_do_and_what_will_hurt(key):
    advice = {"code": "late-acks-off", "text": "A killed worker loses its task.", "fix": "Set task_acks_late."}
    problem = {"engine": "celery", "code": "broker_down", "text": "The broker does not answer."}
    data = {
        "engines": [{"name": "celery", "missing": {"grow": "The pool is solo."}, "advice": [advice]}],
        "problems": [problem],
        "refused": {"purge": "Not allowed here."},
        "redaction": "shapes",
    }
    give(key, {"seq": 1, "kind": "agent.online", "ts": 1, "data": data})
    give(key, {"seq": 2, "kind": "agent.heartbeat", "ts": 1, "data": {"clock": -4_000_000}})

    agent = Agent.objects.get()
    assert agent.engines[0]["missing"] == {"grow": "The pool is solo."}
    assert agent.engines[0]["advice"] == [advice]
    assert (agent.problems, agent.refused) == ([problem], {"purge": "Not allowed here."})
    assert (agent.redaction, agent.clock_us) == ("shapes", -4_000_000)


def test_a_worker_says_which_code_it_runs_and_what_it_does_not_take(key):
    facts = {"started": 1, "queues": ["mail"], "paused": ["mail"], "code": "v412", "rss": 40_000_000}
    give(key, {"seq": 1, "kind": "worker.online", "ts": 1, "engine": "celery", "worker": "w", "data": facts})

    worker = Worker.objects.get()
    assert (worker.code, worker.rss, worker.paused) == ("v412", 40_000_000, ["mail"])


def test_an_environment_has_so_many_queues_and_no_more(key, monkeypatch):
    monkeypatch.setattr(fleet, "MOST_QUEUES", 3)
    made_up = [snapshot(number, sent.START, depth=1) | {"queue": f"q{number}"} for number in range(1, 5)]
    give(key, *made_up[:3])
    give(key, made_up[3], snapshot(5, sent.START + 1, depth=9) | {"queue": "q1"})

    assert set(Queue.objects.values_list("name", "depth")) == {("q1", 9), ("q2", 1), ("q3", 1)}


def test_a_worker_that_was_not_heard_for_a_week_is_forgotten(key):
    give(key, {"seq": 1, "kind": "worker.online", "ts": 1, "engine": "celery", "worker": "w", "data": {"started": 1}})
    fleet.prune(timezone.now() + fleet.WORKERS_KEPT - timedelta(minutes=1))
    assert Worker.objects.count() == 1

    fleet.prune(timezone.now() + fleet.WORKERS_KEPT + timedelta(minutes=1))
    assert Worker.objects.count() == 0


def test_what_waited_in_a_queue_is_known_for_a_week_in_pieces_of_five_minutes(key):
    piece = 300_000_000
    start = sent.now() // piece * piece - 6 * piece
    give(key, snapshot(1, start, depth=5))
    give(key, snapshot(2, start + 15_000_000, depth=7))
    give(key, snapshot(3, start + 2 * piece, depth=3))

    queue = Queue.objects.get()
    limits = [datetime.fromtimestamp((start + at * piece) / 1_000_000, UTC) for at in range(4)]
    points = [Point(since, until, Totals()) for since, until in pairwise(limits)]
    assert queries.depths(queue, points) == [7, None, 3]

    fleet.prune(timezone.now() + fleet.DEPTHS_KEPT)
    assert queries.depths(queue, points) == [None, None, None]
