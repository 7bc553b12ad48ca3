"""A new version of the users' code is told of where it first ran, and said when clearly more fails since then."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import wire as sent
from z4j_brain.stats import deploys
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.filters import Asked
from z4j_brain.stats.ingest import Arrival, End
from z4j_brain.stats.models import Deploy
from z4j_brain.stats.spans import Span
from z4j_brain.tasks.ingest import ingest

HERE = "/harbor/production/"


@pytest.fixture
def call(cast):
    """A worker calls and says which code it runs, and since how many hours: call("v412", 2)."""
    boots: dict[tuple[str, str], uuid.UUID] = {}

    def call(code, hours, *, worker="mail-1", engine="celery"):
        started = sent.now() - int(hours * 3_600_000_000)
        told = {"engine": engine, "worker": worker, "data": {"code": code, "started": started}}
        boot = boots.setdefault((worker, code), uuid.uuid4())
        ingest(cast.agent_key(), sent.parsed(sent.online(1), sent.event(2, "worker.online", **told), boot=boot))

    return call


@pytest.fixture
def count(cast, db):
    """So many of 100 tasks failed each time, that many hours ago: count(5, hours=2)."""

    def count(failed, *, hours, ended=100, engine="celery"):
        at = int((timezone.now() - timedelta(hours=hours)).timestamp() * 1_000_000)
        ends = ["failed"] * failed + ["succeeded"] * (ended - failed)
        facts = [Arrival(engine, "emails", "shop.send", at) for _ in ends]
        facts += [End(engine, "emails", "shop.send", at, end, 0, 500_000, 500_000) for end in ends]
        stats.apply(cast.production.pk, [], facts)

    return count


def seen(cast, **more):
    span = Span.recent("24h", timezone.now())
    return [one.code for one in deploys.seen(cast.production.pk, span, **more)]


def worse(cast, **about):
    now = timezone.now()
    asked = Asked(Span.recent("24h", now), **about)
    return deploys.worse(cast.production.pk, deploys.seen(cast.production.pk, asked.span), asked, now)


def test_code_that_was_there_from_the_first_is_no_deploy_and_what_follows_is_told_once(cast, call):
    call("v411", 20)
    call("v412", 3, worker="mail-2")
    call("v412", 2, worker="mail-3")
    call("v412", 1)
    call("v411", 0.5, worker="mail-4")
    call("r7", 1, engine="rq", worker="rq-1")

    assert seen(cast) == ["v412"] and seen(cast, engine="rq") == []
    assert abs(Deploy.objects.get(code="v412").at - (timezone.now() - timedelta(hours=3))) < timedelta(minutes=1)
    assert not Deploy.objects.filter(environment=cast.staging).exists()


def test_only_so_many_versions_are_remembered(cast, monkeypatch):
    monkeypatch.setattr(stats, "MOST_DEPLOYS", 3)
    for number in range(6):
        stats.deployed(cast.production.pk, "celery", f"v{number}", timezone.now() - timedelta(hours=6 - number))

    assert set(Deploy.objects.values_list("code", flat=True)) == {"v3", "v4", "v5"}


def test_that_more_fails_since_a_deploy_is_said_with_both_numbers(cast, call, count, see):
    call("v411", 20)
    call("v412", 2)
    count(2, hours=2.5)
    count(20, hours=1)

    page = see()

    assert "Failure rate since v412 is 20 %, about ten times what it was" in page
    assert "20 of the 100 tasks that ended since" in page and "2 of 100 in the 2 hours before it." in page
    assert 'class="mark"' in page and "v412</text>" in page
    assert "Failure rate since v412" in see(f"{HERE}statistics/")


@pytest.mark.parametrize(
    ("before", "after"),
    [((2, 100), (4, 19)), ((2, 100), (4, 100)), ((0, 12), (9, 100)), ((10, 100), (18, 100)), ((3, 100), (7, 100))],
    ids=["few ended", "few failed", "few before", "not twice as many", "may be chance"],
)
def test_too_little_to_be_sure_is_not_told(cast, call, count, before, after):
    call("v411", 20)
    call("v412", 2)
    count(before[0], ended=before[1], hours=2.5)
    count(after[0], ended=after[1], hours=1)

    assert worse(cast) is None


def test_it_is_about_the_tasks_that_were_asked_for(cast, call, count):
    call("v411", 20)
    call("v412", 2)
    count(0, hours=2.5)
    count(20, hours=1)

    assert worse(cast, queue="emails").after.failed == 20
    assert worse(cast, queue="reports") is None and worse(cast, engine="rq") is None
