"""Whoever opens a page is told what they have to know now: what is theirs, what waits for them, and no more."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from z4j_brain.alerts.models import Alert
from z4j_brain.notifications import queries, reading
from z4j_brain.notifications.models import Reading
from z4j_brain.rbac.models import Membership

HERE = "/harbor/production/notifications/"


@pytest.fixture
def ended(cast):
    """An operation of somebody's that has ended: ended("oscar")."""
    for user in cast.users.values():
        user.date_joined = timezone.now() - timedelta(days=90)
        user.save()

    def ended(who, state="partial", ago=timedelta(minutes=1), place=None, **counts):
        counts = counts or {"settled": 12, "succeeded": 9, "failed": 2}
        place = place or cast.production
        user, tasks = cast.user(who), [rows.task(place) for _ in range(12)]
        at = timezone.now() - ago
        return rows.operation(
            place, tasks, actor_id=str(user.pk), actor_name=who, state=state, finished_at=at, **counts
        )

    return ended


@pytest.fixture
def see(cast, client):
    def see(who, path=f"{HERE}tray/"):
        cast.sign_in(client, who)
        answer = client.get(path)
        assert answer.status_code == 200
        return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())

    return see


def unread(cast, who):
    return queries.tray(cast.actor(who), cast.production).unread


def test_an_operation_of_ones_own_that_ended_is_told_with_its_counts_and_nobody_elses_is(see, ended):
    ended("oscar")
    ended("oscar", state="running", ago=timedelta())

    assert "1 unread" in see("oscar")
    assert "Retry 12 tasks: partly done 9 done, 2 not done, 1 not tried" in see("oscar")
    assert "Nothing in the last 7 days" in see("vera")


def test_a_request_waits_in_the_tray_of_whoever_may_answer_it_until_it_is_answered(see, cast, ended):
    wish = rows.wish(cast.production, reason="she is new")

    assert "asks for your yes" in see("olive") and "she is new" in see("olive")
    assert "asks for your yes" not in see("vera")

    wish.state = "approved"
    wish.save()
    assert "asks for your yes" not in see("olive")


def test_an_alert_is_told_when_it_begins_and_again_when_it_is_over(see, cast, ended):
    began = timezone.now() - timedelta(minutes=12)
    alert = Alert.objects.create(
        environment=cast.production, rule_name="Long queues", text="1,240 wait.", started_at=began
    )
    Alert.objects.create(environment=cast.island, rule_name="Of somebody else", text="It is.")

    assert "Long queues 1,240 wait." in see("vera") and "Of somebody else" not in see("vera")
    reading.read(cast.actor("vera"), cast.production, [])
    assert unread(cast, "vera") == 0

    alert.ended_at = timezone.now()
    alert.save()
    assert "Long queues is over It went on for 12 min" in see("vera")
    assert unread(cast, "vera") == 1


def test_what_was_read_is_kept_for_each_person_and_each_environment(see, cast, client, ended):
    ended("oscar")
    other = ended("oscar", place=cast.staging)
    Alert.objects.create(environment=cast.production, rule_name="Long queues", text="1,240 wait.")
    assert unread(cast, "oscar") == 2

    key = f"operation-{queries.tray(cast.actor('oscar'), cast.production).notifications[-1].id}"
    cast.sign_in(client, "oscar")
    assert client.post(HERE, {"key": [key, "operation-of-nobody"]}, headers={"X-Live": "1"}).status_code == 204
    assert unread(cast, "oscar") == 1 and Reading.objects.get().keys == [key]

    assert client.post(HERE).status_code == 302
    assert unread(cast, "oscar") == 0 and unread(cast, "vera") == 1
    assert queries.tray(cast.actor("oscar"), cast.staging).notifications[0].id == other.pk
    assert queries.tray(cast.actor("oscar"), cast.staging).unread == 1


def test_who_loses_their_role_is_told_nothing_more(see, cast, client, ended):
    ended("oscar")
    cast.sign_in(client, "oscar")
    Membership.objects.filter(user=cast.user("oscar")).delete()
    cast.user("oscar").user_permissions.clear()

    assert client.get("/island/production/notifications/").status_code == 404
    assert client.post("/island/production/notifications/").status_code == 404
    assert not Reading.objects.exists()


def test_nothing_older_than_a_week_nor_more_than_a_handful_is_told_and_marks_do_not_pile_up(cast, ended):
    for number in range(60):
        at = timezone.now() - timedelta(days=number)
        Alert.objects.create(
            environment=cast.production, rule_name=f"r{number}", text="It was.", started_at=at, ended_at=at
        )
    reading.read(cast.actor("vera"), cast.production, [])
    reading.read(cast.actor("oscar"), cast.production, [])
    Reading.objects.filter(user=cast.user("vera")).update(changed_at=timezone.now() - timedelta(days=8))

    assert len(queries.tray(cast.actor("vera"), cast.production).notifications) == 7
    reading.prune()

    assert Reading.objects.get().user == cast.user("oscar")


def test_an_account_that_is_new_has_nothing_unread(cast):
    earlier = timezone.now() - timedelta(minutes=5)
    Alert.objects.create(environment=cast.production, rule_name="Long queues", text="Wait.", started_at=earlier)

    assert unread(cast, "vera") == 0


def test_the_tray_costs_few_queries(see, cast, client, ended, django_assert_max_num_queries):
    rows.wish(cast.production)
    for _ in range(12):
        ended("olive")
    see("olive")
    with django_assert_max_num_queries(14):
        client.get(f"{HERE}tray/")
