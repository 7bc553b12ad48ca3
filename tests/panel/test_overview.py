"""The overview says what is the matter, first and in sentences, and leads to it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from tests.schedules import stage
from z4j_brain.alerts.models import Alert
from z4j_brain.issues.models import Issue
from z4j_brain.schedules.models import Run
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.ingest import Arrival, End

HERE = "/harbor/production/"


@pytest.fixture
def count(cast, db):
    """Put tasks into the statistics: count(40, "failed", hours=30)."""

    def count(number, state=None, *, hours=1.0, name="shop.send", queue="emails", took=500_000):
        at = int((timezone.now() - timedelta(hours=hours)).timestamp() * 1_000_000)
        facts = [Arrival("celery", queue, name, at) for _ in range(number)]
        if state:
            facts += [End("celery", queue, name, at, state, 0, took, took) for _ in range(number)]
        stats.apply(cast.production.pk, [], facts)

    return count


def test_of_nothing_it_says_that_nothing_ended(see):
    assert "No task ended in the last 24 hours." in see()


def test_it_begins_with_the_failure_rate_and_what_it_was_before(see, count):
    count(90, "succeeded")
    count(6, "failed")
    count(4, "lost")
    count(98, "succeeded", hours=40)
    count(2, "failed", hours=40)

    assert "Failure rate is 10 %: 10 of the 100 tasks that ended in the last 24 hours, about five times" in see()


def test_too_little_is_not_compared(see, count):
    count(3, "failed")
    count(60, "succeeded", hours=40)

    assert "Failure rate is 100 %: 3 of the 3 tasks that ended in the last 24 hours." in see()


def test_a_day_without_failures_is_told_as_such(see, count):
    count(1, "succeeded")

    assert "None of the 1 task that ended in the last 24 hours failed." in see()


def test_that_tasks_wait_longer_is_said(see, count):
    count(50, "succeeded", took=48_000_000)
    count(50, "succeeded", hours=40, took=2_000_000)

    assert "One task in twenty waits" in see()


def test_a_queue_that_fills_and_a_name_that_fails_want_attention(see, count, cast):
    rows.worker(cast.production, queues=["emails"])
    rows.queue(cast.production, depth=1240)
    count(30, hours=0.05)
    count(10, "failed", name="shop.pay")

    page = see()

    assert "emails fills faster than it drains" in page
    assert "100 % of shop.pay failed" in page
    assert "tasks/?name=shop.pay&amp;engine=celery&amp;state=failed&amp;after=" in page


def test_an_alert_that_goes_on_and_an_issue_that_is_back_come_first(see, cast):
    place, now = cast.production, timezone.now()
    Alert.objects.create(environment=place, rule_name="Long queues", subject="celery/mail", text="1,204 tasks wait.")
    Alert.objects.create(environment=place, rule_name="Over by now", text="It was.", ended_at=now)
    Alert.objects.create(environment=cast.island, rule_name="Of somebody else", text="It is.")
    usual = {"environment": place, "name": "shop.pay", "sample": 1, "first_at": now, "last_at": now, "count": 7}
    back = {"resolved_at": now, "resolved_code": "v398", "regressed_at": now}
    Issue.objects.create(fingerprint="a" * 16, error_type="shop.Declined", **usual, **back)
    Issue.objects.create(fingerprint="b" * 16, error_type="KeyError", **usual)

    told = " ".join(re.sub(r"<[^>]+>", " ", see()).split())

    assert told.index("Long queues: celery/mail") < told.index("Declined in shop.pay is back, was resolved in v398")
    assert "1,204 tasks wait." in told and "7 tasks stand failed with it." in told
    assert not any(word in told for word in ("Over by now", "Of somebody else", "KeyError"))


def test_where_nothing_is_the_matter_it_says_so(see, count):
    count(10, "succeeded")

    assert (
        "Nothing. No worker fell silent, no queue fills, no schedule missed its time, no task name fails often."
        in see()
    )


def test_what_cannot_be_understood_is_told_and_the_usual_is_shown(see, count):
    count(10, "succeeded")

    page = see(f"{HERE}statistics/?after=2026-11-02T10:00&before=2026-11-01T10:00")

    assert "The start comes before the end" in page
    assert "10 tasks that ended in the last 24 hours" in page


def told(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_more_matters_than_have_room_are_there_behind_a_word(see, cast):
    for number in range(8):
        rows.queue(cast.production, name=f"q{number}", depth=20 - number)
        rows.worker(cast.production, name=f"w{number}", queues=[f"q{number}"])
    Alert.objects.create(environment=cast.production, rule_name="Long queues", text="It is.")

    page = see()

    assert "9, the gravest first" in page and "4 more</summary>" in page
    assert page.index("Long queues") < page.index("q0 stands still") < page.index("4 more</summary>")
    assert page.index("4 more</summary>") < page.index("q7 stands still")


def test_queues_stand_by_how_long_they_take_to_drain(see, count, cast):
    rows.worker(cast.production, queues=["quick", "slow", "fills", "idle"])
    for name, depth in (("idle", 0), ("quick", 5), ("slow", 300), ("fills", 90), ("alone", 2)):
        rows.queue(cast.production, name=name, depth=depth)
    for name in ("quick", "slow"):
        count(20, "succeeded", hours=0.02, queue=name)
        stats.apply(cast.production.pk, [], [End("celery", name, "shop.send", now_us(), "succeeded", 0, 1, 1)] * 30)
    count(30, hours=0.02, queue="fills")

    names = re.findall(r'id="flow-\d+".*?<a [^>]*>([^<]+)</a>', see(), re.S)

    assert names == ["alone", "fills", "slow", "quick", "idle"]


def now_us():
    return int(timezone.now().timestamp() * 1_000_000)


def test_workers_that_run_older_code_are_said_in_a_sentence_and_each_version_leads_to_its_workers(see, cast):
    for number, code in enumerate(("v411", "v412", "v412", "")):
        began = timezone.now() - timedelta(hours=9 - number)
        rows.worker(cast.production, name=f"w{number}", facts={"code": code} if code else {}, started_at=began)
    rows.worker(cast.production, name="rq-1", engine="rq", facts={"code": "r7"}, started_at=timezone.now())

    page = see()

    assert "1 of the 3 celery workers still runs older code than v412." in page
    assert 'workers/?code=v412">v412</a> on 2' in page and 'workers/?code=r7">r7</a> on 1' in page
    assert see(f"{HERE}workers/?code=v412").count('id="worker-') >= 2


def test_one_version_is_not_worth_a_sentence(see, cast):
    for number in range(2):
        rows.worker(cast.production, name=f"w{number}", facts={"code": "v1"}, started_at=timezone.now())

    assert "older code" not in see()


@pytest.mark.parametrize(
    ("state", "overlapped", "word"),
    [
        ("missed", False, "Missed"),
        ("unknown", False, "Unknown"),
        ("ok", True, "Overlapped"),
        ("failed", False, "Failed"),
    ],
)
def test_a_schedule_in_trouble_is_listed_with_what_became_of_its_last_run(see, cast, state, overlapped, word):
    schedule, due = stage.schedule(cast.production), timezone.now() - timedelta(minutes=5)
    usual = {"environment": cast.production, "schedule": schedule}
    Run.objects.create(moment=due, due_at=due, state=state, overlapped=overlapped, **usual)

    aside = see().partition('id="troubled"')[2].partition("</section>")[0]

    assert f"schedules/{schedule.pk}/" in aside and f">{word}</span>".replace(">", "", 1) in aside
    assert schedule.key in see(f"{HERE}schedules/?state=trouble")


def test_a_request_for_approval_waits_on_the_overview_of_whoever_may_answer(see, cast, client):
    wish = rows.wish(cast.production, reason="she is new")
    assert "asks for your yes" not in see()

    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")

    assert "asks for your yes" in see() and f"approvals/{wish.pk}/" in see()


def test_a_range_stays_relative_in_every_link(see, count):
    count(40, "failed")

    page = see(f"{HERE}?since=1h")

    assert 'statistics/?since=1h"' in page and "tasks/?since=1h&amp;state=failed" in page


def test_it_costs_few_queries_however_much_there_is(see, cast, count, django_assert_max_num_queries):
    see()
    for number in range(12):
        rows.queue(cast.production, name=f"q{number}")
        rows.worker(cast.production, name=f"w{number}", queues=[f"q{number}"], facts={"code": f"v{number % 3}"})
        rows.operation(cast.production, [rows.task(cast.production)])
        rows.wish(cast.production)
    count(10, "failed")

    with django_assert_max_num_queries(60):
        see()
