"""django-celery-beat passes the suite that every scheduler passes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from beat_rig import DatabaseRig
from beat_suite import BeatSuite
from django.apps import apps
from z4j_celerybeat.database import DjangoCeleryBeat
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DatabaseRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def model(name):
    """Django is not set up before there is a rig."""
    return apps.get_model("django_celery_beat", name)


class TestDjangoCeleryBeat(BeatSuite):
    engine_class = DjangoCeleryBeat

    def test_a_row_that_others_save_is_listed_with_the_zone_it_has(self, rig):
        tokyo = model("CrontabSchedule").objects.create(minute="5", hour="6", timezone=ZoneInfo("Asia/Tokyo"))
        row = model("PeriodicTask").objects.create(
            name="from the admin", task="shop.note", crontab=tokyo, args='["admin"]'
        )
        try:
            found = self.listed(rig)["from the admin"]
            assert (found["definition"], found["cron"], found["zone"]) == ("store", "5 6 * * *", "Asia/Tokyo")
            assert datetime.fromtimestamp(found["next"] / 1_000_000, UTC).hour == 21
        finally:
            row.delete()

    def test_a_crontab_of_another_zone_is_made_and_keeps_its_zone_with_another_plan(self, rig):
        self.done(rig, "schedule_create", "abroad", task="shop.note", cron="0 3 * * *", zone="Asia/Tokyo")
        try:
            self.done(rig, "schedule_edit", "abroad", cron="0 4 * * *")
            found = self.listed(rig)["abroad"]
            assert (found["cron"], found["zone"]) == ("0 4 * * *", "Asia/Tokyo")
        finally:
            self.done(rig, "schedule_delete", "abroad")

    def test_one_moment_fires_once_and_is_over(self, rig):
        at = int((time.time() + 2) * 1_000_000)
        self.done(rig, "schedule_create", "once", task="shop.note", at=at, args=["once"])
        try:
            found = self.listed(rig)["once"]
            assert (found["plan"], found["at"]) == ("once", at)
            self.fires(rig, "once")
            [told] = wait_for(lambda: self.told_fired(rig, "once"), what="the firing")
            assert abs(told["data"]["due"] - at) < 1_500_000
            answer = self.ask(rig, "schedule_enable", "once")
            assert (answer.outcome, answer.detail.endswith(".")) == (Outcome.FAILED, True)
        finally:
            self.done(rig, "schedule_delete", "once")

    def test_a_row_that_beat_cannot_use_is_listed_and_never_sent(self, rig):
        every = model("IntervalSchedule").objects.create(every=1, period="days")
        row = model("PeriodicTask")(name="broken", task="shop.note", interval=every, args="not JSON")
        row.save()  # beat itself disables it when it reads it
        try:
            assert self.listed(rig)["broken"]["text"] == "not usable"
            assert self.ask(rig, "schedule_run", "broken").outcome == Outcome.NOT_FOUND
        finally:
            row.delete()
