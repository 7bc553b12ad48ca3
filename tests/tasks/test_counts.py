"""One number everywhere: list, chips, API and statistics tell of the same tasks, from events to the screen."""

from __future__ import annotations

import re
import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from tests import wire as sent
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import queries as stats
from z4j_brain.tasks import counts as counting
from z4j_brain.tasks import ingest, queries
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing
from z4j_brain.tasks.spans import Span, floor
from z4j_brain.tasks.states import TaskState

ALL = rows.held()
TASKS = "/api/v1/harbor/production/tasks/"
ENDS = ("task.succeeded", "task.failed", "task.cancelled", "task.expired", "task.lost")


@pytest.fixture
def told(cast):
    """60 tasks of two queues and engines by events: ended over the last ten hours, or not yet."""
    now, events, seq = time.time_ns() // 1000, [], 0
    for n in range(60):
        more = {"name": f"n{n % 3}", "queue": ("emails", "media")[n % 2], "engine": ("celery", "rq")[n % 5 == 0]}
        at = now - n * 600_000_000
        for kind in ("task.started", *([] if n % 11 == 0 else [ENDS[n % len(ENDS)]])):
            seq += 1
            events.append(sent.event(seq, kind, f"t{n}", run=at, **more) | {"ts": at})
    ingest.ingest(cast.agent_key(), sent.parsed(*events, boot=uuid.uuid4()))
    return cast.production


@pytest.mark.parametrize("since", ["15m", "1h", "6h", "24h", "7d", "all"])
@pytest.mark.parametrize("filters", [{}, {"queue": "emails"}, {"engine": "rq", "queue": "media"}, {"name": "n1"}])
def test_list_chips_api_and_statistics_agree(told, client, cast, since, filters):
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")
    bounds = Span(since).bounds()
    wanted = Narrowing({name: (value,) for name, value in filters.items()}, bounds=bounds)

    counts = queries.count(told, wanted, ALL)
    by_state = {state.value: int(count) for state, count in counts.states.items() if int(count)}
    listed = queries.page(told, wanted, None, 200, ALL).results
    answer = client.get(TASKS, {"since": since, "page_size": 200, **filters}, **cast.bearer("vera")).json()
    page = client.get("/harbor/production/tasks/", {"since": since, **filters}).content.decode()
    chips = {state: int(number) for state, number in CHIP.findall(page)}

    assert len(listed) == sum(by_state.values()) == len(answer["results"])
    assert not any(count.capped for count in counts.states.values())
    assert by_state == chips == tally(task.state for task in listed) == tally(row["state"] for row in answer["results"])
    assert f"data-live>{len(listed)} in " in page
    if bounds.start and "name" not in filters:
        ends = stats.totals(told.pk, bounds.start, timezone.now() + timedelta(hours=1), **filters).ends
        assert {state: number for state, number in ends.items() if number} == {
            state: number for state, number in by_state.items() if state in ends
        }


CHIP = re.compile(r'id="chip-(\w+)".*?class="n">([\d,]+)<')


def tally(states):
    found = {}
    for state in states:
        found[state] = found.get(state, 0) + 1
    return found


def test_what_ended_between_two_times_is_counted_by_statistics_alone(told, django_assert_num_queries):
    end = floor(timezone.now()) - timedelta(hours=1)
    span = Span(after=end - timedelta(hours=2), before=end)
    wanted = Narrowing(bounds=span.bounds())

    with django_assert_num_queries(1):
        counts = queries.count(told, wanted, ALL)

    assert int(counts.of(None)) == len(queries.page(told, wanted, None, 200, ALL).results) > 0


def test_what_is_pruned_is_not_counted_though_statistics_know_it(told):
    Environment.objects.filter(pk=told.pk).update(tasks_days=1, events_days=1)
    told.refresh_from_db()
    Task.objects.filter(task_id="t1").delete()

    counts = queries.count(told, Narrowing(bounds=Span("7d").bounds()), ALL)

    assert int(counts.of(None)) == 59


def test_a_count_that_ends_early_says_so(cast, monkeypatch):
    monkeypatch.setattr(counting, "BUDGET", 4)
    for n in range(9):
        rows.task(cast.production, worker="w", state="failed" if n % 2 else "lost")

    counts = queries.count(cast.production, Narrowing({"worker": ("w",)}), ALL)

    assert str(counts.of(None)) == "4+"
    assert str(counts.of(TaskState.FAILED)) == "2+"


def test_what_waits_is_counted_up_to_a_cap_by_its_index(cast, monkeypatch):
    monkeypatch.setattr(counting, "MANY", 3)
    for _ in range(4):
        rows.task(cast.production, state="queued")

    assert str(queries.count(cast.production, Narrowing(), ALL).of(TaskState.QUEUED)) == "3+"
