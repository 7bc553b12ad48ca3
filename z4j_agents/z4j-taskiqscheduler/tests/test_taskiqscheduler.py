"""What is taskiq's own: sources that differ in what they can, ids that change, a loop that reads but once a minute."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from schedule_rig import ScheduleRig
from taskiq import ScheduledTask, ScheduleSource
from taskiq.schedule_sources import LabelScheduleSource
from z4j_core.scheduler import Target
from z4j_core.testing.recording import RecordingHost, wait_for
from z4j_core.timetable import Plan
from z4j_core.wire import Outcome
from z4j_taskiqscheduler import TaskiqScheduler
from z4j_taskiqscheduler.places import FIXED, Fixed, RedisLists, Written, place_of
from z4j_taskiqscheduler.plans import Refused, plan_of, wanted


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with ScheduleRig(tmp_path_factory.mktemp("rig"), "often-kept", "rarely-kept") as rig:
        yield rig


def task(**plan):
    return ScheduledTask(task_name="count", labels={}, args=[], kwargs={}, schedule_id="x", **plan)


class TestPlans:
    def test_each_kind_is_told_as_it_is(self):
        moment = datetime(2040, 1, 2, 3, 4, tzinfo=UTC)
        paris = plan_of(task(cron="*/5  * * * *", cron_offset="Europe/Paris"))
        assert (paris["plan"], paris["cron"], paris["zone"]) == (Plan.CRON, "*/5 * * * *", "Europe/Paris")
        assert plan_of(task(cron="0 3 * * *", cron_offset=timedelta(hours=2)))["zone"] == "Etc/GMT-2"
        assert plan_of(task(interval=90))["every"] == 90_000_000
        assert plan_of(task(interval=timedelta(minutes=2)))["every"] == 120_000_000
        assert plan_of(task(time=moment))["at"] == int(moment.timestamp()) * 1_000_000
        assert plan_of(task(time=moment.replace(tzinfo=None)))["at"] == int(moment.timestamp()) * 1_000_000

    @pytest.mark.parametrize(
        "given",
        [
            {"cron": "0 3 * * *", "interval": 60},
            {"cron": "0 3 * * *", "cron_offset": timedelta(hours=5, minutes=30)},
            {"cron": "0 3 * * *", "cron_offset": "Nowhere/Else"},
            {"cron": "0 0 3 * * *"},
            {"cron": "0 3 * * 7"},
        ],
    )
    def test_what_means_something_else_to_crontab_or_to_no_clock_is_told_as_taskiqs_own(self, given):
        told = plan_of(task(**given))
        assert (told["plan"], "cron" in told, bool(told["text"])) == (Plan.OTHER, False, True)

    @pytest.mark.parametrize(
        "params",
        [
            {"cron": "0 0 3 * * *"}, {"cron": "* * 30 2 *"}, {"cron": "5-1 * * * *"}, {"cron": "*/0 * * * *"},
            {"cron": "0 3 * * 7"}, {"cron": "a * * * *"}, {"every": 1_500_000}, {"every": 0},
            {"every": "5"}, {"at": 1}, {"zone": "UTC"},
            {"cron": "* * * * *", "every": 60_000_000}, {"cron": "* * * * *", "zone": "Nowhere/Else"},
        ],
    )  # fmt: skip
    def test_what_taskiq_cannot_keep_is_refused_with_a_sentence(self, params):
        with pytest.raises(Refused, match=r"\.$"):
            wanted(params)

    def test_days_that_either_field_may_name_are_taken_as_crontab_takes_them(self):
        assert wanted({"cron": "0 0 30 2 mon"})["cron"] == "0 0 30 2 mon"
        assert wanted({"cron": "0 0 29 2 *", "zone": "Asia/Tokyo"})["cron_offset"] == "Asia/Tokyo"


class TestLabels:
    def test_those_without_an_id_have_one_that_stays(self, rig):
        names = {"often", "new-year", "twice", "twice#2"}
        assert names <= dict(rig.records.read("schedules")).keys()
        rig.restart()
        found = dict(rig.records.read("schedules"))
        assert names <= found.keys()
        assert (found["twice"]["zone"], found["twice#2"]["zone"]) == ("Europe/Paris", "UTC")
        assert {found[name]["definition"] for name in names} == {"code"}
        wait_for(lambda: rig.sent("often"), what="a message that names it")

    def test_what_stands_in_the_code_is_not_deleted_and_says_why(self, rig):
        answer = rig.records.ask("schedule_delete", Target(name="new-year"))
        assert (answer.outcome, "code" in answer.detail) == (Outcome.UNSUPPORTED, True)
        assert dict(rig.records.read("schedules"))["new-year"]["cannot"]["schedule_delete"] == answer.detail


class TestRedis:
    def test_one_that_is_due_once_is_listed_before_it_is_due_and_gone_after_it_fired(self, rig):
        at = (int(time.time()) + 3) * 1_000_000
        assert rig.records.ask("schedule_create", Target(name="once"), task="count", at=at).outcome == Outcome.DONE
        assert dict(rig.records.read("schedules"))["once"]["at"] == at
        far = at + 3600 * 1_000_000
        assert rig.records.ask("schedule_create", Target(name="far"), task="count", at=far).outcome == Outcome.DONE
        assert dict(rig.records.read("schedules"))["far"]["at"] == far
        assert rig.records.ask("schedule_delete", Target(name="far")).outcome == Outcome.DONE
        # The source tells of it in its minute; the loop of this scheduler reads every 10 minutes, unless it is told to.
        wait_for(lambda: time.time() * 1_000_000 > at, what="its time")
        rig.records.ask("schedule_edit", Target(name="rarely-kept"), cron="30 3 1 1 *")
        rig.restart()
        wait_for(lambda: rig.fired("once") == 1, what="it to be sent")
        told = wait_for(lambda: [one for one in _fired(rig) if one["schedule"] == "once"], what="it to be told")
        assert told[0]["data"]["due"] == at
        wait_for(lambda: "once" not in dict(rig.records.read("schedules")), what="it to be gone")

    def test_a_disabled_one_stays_disabled_when_the_application_adds_it_again(self, rig):
        rig.add("again", interval=1)
        assert rig.records.ask("schedule_disable", Target(name="again")).outcome == Outcome.DONE
        rig.add("again", interval=1, args=[5])
        found = wait_for(lambda: dict(rig.records.read("schedules"))["again"], what="it")
        assert (found["enabled"], found["args"]) == (False, "(5,)")
        assert rig.redis.exists("plans:data:again") == 0
        edited = rig.records.ask("schedule_edit", Target(name="again"), every=3600_000_000)
        assert edited.outcome == Outcome.DONE
        assert dict(rig.records.read("schedules"))["again"]["enabled"] is False
        assert rig.records.ask("schedule_enable", Target(name="again")).outcome == Outcome.DONE
        assert rig.redis.lrange("plans:interval", 0, -1).count(b"again") == 1, "twice would be two of them"
        assert dict(rig.records.read("schedules"))["again"]["every"] == 3600_000_000
        assert rig.records.ask("schedule_delete", Target(name="again")).outcome == Outcome.DONE
        assert not rig.redis.hexists("z4j:disabled:plans", "again")

    def test_what_it_sends_on_demand_has_the_arguments_and_the_id_of_its_schedule(self, rig):
        rig.add("args", interval=3600, args=[41])
        answer = rig.records.ask("schedule_run", Target(command="run-args", item=1, name="args"))
        [message] = [one for one in rig.sent("args") if one.task_id == answer.new_task_id]
        assert message.args == [41]
        rig.records.ask("schedule_delete", Target(name="args"))

    def test_only_what_the_process_knows_is_scheduled(self, rig):
        answer = rig.records.ask("schedule_create", Target(name="no"), task="os.system", every=1_000_000)
        assert (answer.outcome, "knows no task" in answer.detail) == (Outcome.FAILED, True)


class Reading(ScheduleSource):
    async def get_schedules(self):
        return []


class Writing(Reading):
    async def add_schedule(self, schedule):
        """Somewhere."""

    async def delete_schedule(self, schedule_id):
        """From there."""


class TestSources:
    def test_what_a_source_cannot_is_said_of_its_schedules(self, rig):
        assert type(place_of(Reading())) is Fixed
        assert type(place_of(Writing())) is Written
        assert type(place_of(rig.shop.kept)) is RedisLists
        assert set(Fixed.cannot.values()) == {FIXED}
        assert Written.cannot.keys() == {"schedule_enable", "schedule_disable"}

    def test_without_a_source_that_takes_new_ones_creating_is_not_offered(self, rig, tmp_path):
        kept = rig.own.sources
        rig.own.sources = [LabelScheduleSource(rig.shop.broker)]
        adapter = rig.scheduler()
        try:
            adapter.install(RecordingHost(tmp_path))
            assert "schedule_create" not in adapter.capabilities()
            assert adapter.missing()["schedule_create"].endswith(".")
        finally:
            adapter.uninstall()
            rig.own.sources = kept

    def test_where_no_scheduler_runs_nothing_is_offered_and_the_reason_is_told(self):
        adapter = TaskiqScheduler()
        assert adapter.capabilities() == {}
        assert set(adapter.missing().values()) == {"Only the process of taskiq scheduler has schedules."}
        assert (adapter.running(), list(adapter.schedules())) == (None, [])


def _fired(rig):
    return rig.records.events(kind="schedule.fired")
