"""What all three schedulers owe beyond the suite of every scheduler, because all three are Celery's beat."""

from __future__ import annotations

import base64
import json
import time

import pytest
from z4j_core.testing.recording import wait_for
from z4j_core.testing.schedulers import SchedulerSuite
from z4j_core.wire import Outcome

NO_CRON = {
    "every day is in both": {"cron": "0 3 13 * 5"},
    "it has a field for seconds": {"cron": "0 0 3 * * *"},
    "it never fires": {"cron": "0 3 30 2 *"},
    "it has too few fields": {"cron": "0 3 *"},
    "two plans": {"cron": "0 3 * * *", "every": 1_000_000},
    "an interval of nothing": {"every": 0},
    "a text for an interval": {"every": "often"},
    "arguments that are no list": {"args": {"key": 1}},
}


class BeatSuite(SchedulerSuite):
    """Needs the fixture `rig` with a `BeatRig`."""

    def test_each_message_names_its_schedule(self, rig):
        self.done(rig, "schedule_run", "rarely")
        self.fires(rig, "often")
        named = {
            json.loads(base64.b64decode(one["body"]))[0][0]: one["headers"].get("z4j_schedule") for one in rig.sent()
        }
        assert (named["often"], named["rarely"]) == ("often", "rarely")

    def test_an_interval_tells_for_when_it_was_due(self, rig):
        self.fires(rig, "often")
        wait_for(lambda: [one for one in self.told_fired(rig, "often")[-3:] if "due" in one["data"]], what="a due time")

    def test_what_celery_alone_understands_is_told_in_words_of_cron_or_as_its_own(self, rig):
        found = self.listed(rig)
        assert (found["weekdays"]["plan"], found["weekdays"]["cron"]) == ("cron", "0 0,2,22 * * 1,2,3,4,5")
        assert found["weekdays"]["zone"] == rig.zone
        assert found["weekdays"]["next"] % 60_000_000 == 0
        assert found["both"]["plan"] == "other"
        assert found["both"]["next"] > time.time() * 1_000_000
        assert found["both"]["text"] == "0 3 13 1 1"

    def test_cron_s_names_and_its_other_sunday_are_understood(self, rig):
        before = self.listed(rig)["weekdays"]
        try:
            self.done(rig, "schedule_edit", "weekdays", cron="15 4 * JAN Fri-7")
            wait_for(lambda: self.listed(rig)["weekdays"]["cron"] == "15 4 * 1 0,5,6", what="the new plan")
        finally:
            self.done(rig, "schedule_edit", "weekdays", cron=before["cron"])

    @pytest.mark.parametrize("given", NO_CRON.values(), ids=NO_CRON)
    def test_what_celery_cannot_keep_is_refused_and_changes_nothing(self, rig, given):
        before = self.listed(rig)["rarely"]
        answer = self.ask(rig, "schedule_edit", "rarely", **given)
        assert answer.outcome == Outcome.FAILED
        assert answer.detail.endswith(".")
        assert self.listed(rig)["rarely"] == before

    def test_arguments_and_queue_are_edited_and_the_plan_stays(self, rig):
        before = self.listed(rig)["rarely"]
        try:
            self.done(rig, "schedule_edit", "rarely", args=["rarely", "north"], kwargs={}, queue="mail")
            self.done(rig, "schedule_run", "rarely")
            [message] = wait_for(lambda: rig.redis.lrange("mail", 0, -1), what="the message")
            assert json.loads(base64.b64decode(json.loads(message)["body"]))[0] == ["rarely", "north"]
            after = self.listed(rig)["rarely"]
            assert (after["text"], after["queue"]) == (before["text"], "mail")
        finally:
            self.done(rig, "schedule_edit", "rarely", args=["rarely"], queue=rig.queue)
            rig.redis.delete("mail")

    def test_one_of_the_code_is_not_deleted_and_says_so_beforehand(self, rig):
        answer = self.ask(rig, "schedule_delete", "often")
        assert answer.outcome == Outcome.UNSUPPORTED
        found = self.listed(rig)["often"]
        assert found["cannot"] == {"schedule_delete": answer.detail}

    def test_what_is_created_without_a_task_or_a_plan_is_refused(self, rig):
        for given in ({"task": "shop.note"}, rig.soon()):
            assert self.ask(rig, "schedule_create", "half", **given).outcome == Outcome.FAILED
        assert "half" not in self.listed(rig)
