"""What a task's page tells: its story by attempts, and who touched it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import rows
from z4j_brain.operations.models import Operation
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.tasks import actions, queries
from z4j_brain.tasks.narrowing import Narrowing

START = datetime(2026, 11, 22, 14, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def micros(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.fixture
def task(cast):
    return rows.task(cast.production)


@pytest.fixture
def agent(cast):
    return rows.agent(cast.production)


def told(attempts):
    return [(attempt.number, [station.state.value for station in attempt.stations]) for attempt in attempts]


def test_a_timeline_goes_by_attempts_whatever_order_events_arrived_in(task, agent):
    first, second = micros(at(4)), micros(at(64))
    error = {"type": "SMTPServerDisconnected", "message": "timed out"}
    events = [
        ("task.failed", 94, {"attempt": 1, "run": second, "worker": "mail-2", "error": error}),
        ("task.started", 64, {"attempt": 1, "run": second, "worker": "mail-2"}),
        ("task.progress", 70, {"attempt": 1, "run": second}),
        ("task.enqueued", 34, {"attempt": 1, "eta": micros(at(64))}),
        ("task.retrying", 34, {"attempt": 0, "run": first, "worker": "mail-1", "error": error}),
        ("task.started", 4, {"attempt": 0, "run": first, "worker": "mail-1"}),
        ("task.enqueued", 0, {"attempt": 0}),
    ]
    for kind, seconds, data in events:
        rows.event(task, agent, kind, at(seconds), **data)

    attempts = queries.timeline(task)

    assert told(attempts) == [(1, ["queued", "started", "retrying"]), (2, ["scheduled", "started", "failed"])]
    assert [attempt.worker for attempt in attempts] == ["mail-1", "mail-2"]
    assert [attempt.error_type for attempt in attempts] == ["SMTPServerDisconnected"] * 2
    spans = [station.span for attempt in attempts for station in attempt.stations]
    assert [span if span is None else span.total_seconds() for span in spans] == [4, 30, 0, 30, 30, None]
    assert attempts[1].stations[0].due == at(64)
    assert attempts[1].stations[0].since_start == timedelta(seconds=34)


def test_a_task_that_was_delivered_again_shows_each_run(task, agent):
    for seconds in (1, 50):
        rows.event(task, agent, "task.received", at(seconds))
        rows.event(task, agent, "task.started", at(seconds + 1), run=micros(at(seconds + 1)))

    runs = queries.timeline(task)

    assert [attempt.number for attempt in runs] == [1, 1]
    assert [attempt.run for attempt in runs] == [at(2), at(51)]


def test_a_kind_from_a_newer_agent_does_not_break_the_story(task, agent):
    rows.event(task, agent, "task.enqueued", at(0))
    rows.event(task, agent, "task.pondered", at(1), error="no object", attempt="x")

    assert told(queries.timeline(task)) == [(1, ["queued"])]


def test_numbers_no_clock_can_show_do_not_break_the_story(task, agent):
    rows.event(task, agent, "task.started", at(0), attempt="x", run=10**18, eta=True, error="text", worker=None)

    (attempt,) = queries.timeline(task)

    assert (attempt.number, attempt.run.year) == (1, 9999)


def test_a_task_without_events_has_no_story(task):
    assert queries.timeline(task) == []


def test_who_touched_a_task_is_told_with_the_reason(cast, agent, task):
    other = rows.task(cast.production)
    actions.retry(cast.production, [task.pk], actor=cast.actor("oscar"), reason="mail is back")
    actions.retry(cast.production, [task.pk, other.pk], actor=cast.actor("olive"), reason="all of them")

    touches = queries.touched(task)

    assert [(touch.actor, touch.reason) for touch in touches] == [("olive", "all of them"), ("oscar", "mail is back")]
    assert [touch.action for touch in queries.touched(other)] == ["task.retry"]
    assert Operation.objects.count() == 2


def test_every_list_is_empty_for_a_stranger_even_without_the_door(cast, task):
    stan = cast.actor("stan")

    held = access.permissions(stan, cast.production)

    assert not queries.tasks(stan, cast.production).exists()
    assert not queries.page(cast.production, Narrowing(), None, 50, held).results
    assert not list(queries.everything(cast.production, Narrowing(), held))
    assert not queries.count(cast.production, Narrowing(), held).of(None).number
    with pytest.raises(rbac.Http404):
        queries.detail(stan, cast.production, task.pk)


def test_a_page_never_reads_the_long_texts_of_a_list(cast, task):
    with CaptureQueriesContext(connection) as captured:
        page = queries.page(cast.production, Narrowing(), None, 50, rows.held())

    assert page.results == [task]
    assert '"traceback"' not in captured[-1]["sql"]
