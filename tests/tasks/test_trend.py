"""How a task name went lately, where one run of it stands, and how many tasks failed like it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from z4j_brain.issues import queries as issues
from z4j_brain.issues.models import Hour, Issue
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Effect, Role
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.ingest import End
from z4j_brain.tasks import trend

HOUR, DAY = 3600, 86_400


@pytest.fixture
def ended(cast):
    def ended(count, *, ago=HOUR, ms=100.0, state="succeeded", name="shop.send_receipt"):
        at = int((timezone.now().timestamp() - ago) * 1_000_000)
        end = End(
            engine="celery", queue="emails", name=name, at=at, state=state, retries=0, runtime=int(ms * 1000), wait=None
        )
        stats.apply(cast.production.pk, [], [end] * count)

    return ended


@pytest.fixture
def page(client, cast):
    def page(who, task):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        return client.get(f"/harbor/production/tasks/{task.pk}/").content.decode()

    return page


def test_a_day_is_told_of_and_a_week_where_the_day_was_empty(cast, ended):
    task = rows.task(cast.production)
    assert trend.trend(task) is None
    ended(4, ago=3 * DAY)
    ended(9, name="shop.other")
    assert (trend.trend(task).span, trend.trend(task).total.ended) == ("7d", 4)
    ended(6, state="failed", ms=30_000)
    found = trend.trend(task)
    assert (found.span, found.total.ended, found.failed) == ("24h", 6, ("100 %", ""))


def test_where_a_run_stands_is_told_among_enough_others(cast, ended):
    def standing(ms, **fields):
        return trend.trend(rows.task(cast.production, runtime_ms=ms, **fields)).standing

    ended(19)
    assert not standing(30_000.0)
    ended(76)
    ended(5, ms=60_000)
    assert standing(30_000.0) == "slower than 95 % of its runs in the last 7 days"
    assert standing(90_000.0) == "slower than 99 % of its runs in the last 7 days"
    assert standing(1.0) == "faster than 99 % of its runs in the last 7 days"
    assert standing(100.0) == "faster than 5 % of its runs in the last 7 days"
    assert not standing(30_000.0, state="started")


def test_the_page_tells_it_to_who_sees_everything_alone(cast, ended, page):
    ended(30)
    task = rows.task(cast.production, runtime_ms=30_000.0)

    told = page("vera", task)
    assert "slower than 99 % of its runs" in told
    assert "/statistics/?since=24h&amp;engine=celery&amp;name=shop.send_receipt" in told

    granting.give(cast.production, cast.user("vera"), Role.VIEWER, effect=Effect.DENY, queue_glob="hr", actor=SYSTEM)
    told = page("vera", task)
    assert "of its runs" not in told
    assert "Compare with the last good run" in told


def test_how_many_failed_alike_is_the_number_of_its_issue(cast, page):
    now = timezone.now()
    issue = Issue.objects.create(
        environment=cast.production, fingerprint="a" * 16, sample=1, count=500, first_at=now, last_at=now
    )
    for ago, count in ((0, 400), (5, 31), (30, 69)):
        hour = int((now - timedelta(hours=ago)).timestamp()) // HOUR * HOUR
        Hour.objects.create(issue=issue, hour=hour, count=count)
    task = rows.task(cast.production, issue="a" * 16, error_type="KeyError")

    told = page("vera", task)
    assert issues.trends([issue], now)[issue.pk].total == 431
    assert f'href="/harbor/production/tasks/?issue={"a" * 16}&amp;since=24h">Same error: 431 in 24 h</a>' in told

    granting.give(cast.production, cast.user("vera"), Role.VIEWER, effect=Effect.DENY, queue_glob="hr", actor=SYSTEM)
    assert "Same error" not in page("vera", task)
