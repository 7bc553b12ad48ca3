"""What is arq's own: cron is a part of each worker, has seconds and sets of values, and fires where all of them fit."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from arq import cron
from cron_rig import CronRig
from z4j_arqcron import ArqCron
from z4j_arqcron.fields import Refused, expression, fields_of, options, parse, written, zone_of
from z4j_core.scheduler import Target
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CronRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(request):
    if "rig" in request.fixturenames:
        request.getfixturevalue("rig").ensure()


async def job(ctx):
    """For the plans below."""


class TestPlans:
    @pytest.mark.parametrize(
        ("given", "line", "text"),
        [
            ({}, "* * * * *", "cron()"),
            ({"hour": 3, "minute": 30}, "30 3 * * *", "cron(minute=30, hour=3)"),
            ({"minute": {0, 15, 30, 45}}, "*/15 * * * *", "cron(minute={0, 15, 30, 45})"),
            ({"second": None}, "* * * * * *", "cron(second=None)"),
            ({"second": {5, 35}}, "5,35 * * * * *", "cron(second={5, 35})"),
            ({"weekday": "sun", "hour": 9, "minute": 0}, "0 9 * * 0", "cron(minute=0, hour=9, weekday=6)"),
            ({"weekday": {0, 1, 2, 3, 4}, "minute": 0}, "0 * * * 1-5", "cron(minute=0, weekday={0, 1, 2, 3, 4})"),
            ({"day": {1}, "month": set(range(1, 13))}, "* * 1 * *", "cron(day=1)"),
        ],
    )
    def test_what_arq_keeps_is_told_as_a_crontab_line_and_comes_back_the_same(self, given, line, text):
        fields = fields_of(cron(job, **given))
        assert (expression(fields), written(fields)) == (line, text)
        assert parse(line) == fields
        assert fields_of(cron(job, **options(fields))) == fields

    def test_what_must_fit_both_day_and_weekday_has_no_such_line(self):
        assert expression(fields_of(cron(job, day=13, weekday="fri"))) is None

    @pytest.mark.parametrize(
        "line",
        ["", "* * * *", "60 * * * *", "* * 30 feb *", "* * 31 4,6 *", "0 0 13 * 5", "*/0 * * * *", "a-b * * * *",
         "5-1 * * * *", "1,,2 * * * *"],
    )  # fmt: skip
    def test_what_is_no_line_or_never_fires_is_refused_with_a_sentence(self, line):
        with pytest.raises(Refused, match=r"\.$"):
            parse(line)

    def test_names_and_steps_are_read_as_crontab_reads_them(self):
        assert parse("0 0 * jan-mar mon,sun")["month"] == {1, 2, 3}
        assert parse("0 0 * jan-mar mon,sun")["weekday"] == {0, 6}
        assert parse("0 0 * * 7") == parse("0 0 * * 0")
        assert parse("10-30/10 * * * *")["minute"] == {10, 20, 30}

    def test_a_zone_has_the_name_that_means_it_at_all_times(self):
        assert zone_of(ZoneInfo("Europe/Paris")) == "Europe/Paris"
        assert zone_of(UTC) == "UTC"
        assert zone_of(timezone(timedelta(hours=2))) == "Etc/GMT-2"
        assert zone_of(timezone(timedelta(hours=5, minutes=30))) is None
        assert datetime(2030, 7, 1, tzinfo=ZoneInfo("Etc/GMT-2")).utcoffset() == timedelta(hours=2)


class TestWorkers:
    def test_two_cron_jobs_of_one_function_are_two_schedules(self, rig):
        found = dict(rig.records.read("schedules"))
        assert (found["cron:twice"]["cron"], found["cron:twice"]["plan"]) == ("0 9 * * 1,5", "cron")
        assert (found["cron:twice#2"]["plan"], "cron" in found["cron:twice#2"]) == ("other", False)
        assert found["cron:twice#2"]["next"] > time.time() * 1_000_000
        assert all("schedule_delete" in facts["cannot"] for facts in found.values())

    def test_the_firing_at_the_start_of_a_worker_belongs_to_no_due_time(self, rig):
        told = wait_for(lambda: _fired(rig, "cron:at_start"), what="it")
        assert all("due" not in event["data"] for event in told)
        wait_for(lambda: rig.fired("cron:at_start"), what="its job")

    def test_a_disabled_one_does_not_run_as_the_worker_starts_nor_as_it_is_enabled(self, rig):
        key = "cron:at_start"
        assert rig.records.ask("schedule_disable", Target(name=key)).outcome == Outcome.DONE
        count = rig.fired(key)
        rig.restart()
        assert rig.records.ask("schedule_enable", Target(name=key)).outcome == Outcome.DONE
        turns = rig.fired(rig.often)
        wait_for(lambda: rig.fired(rig.often) >= turns + 2, what="turns of the cron")
        assert rig.fired(key) == count

    def test_what_an_earlier_one_of_the_same_id_keeps_out_is_told_as_skipped(self, rig):
        def skipped():
            return [
                one["data"] for one in rig.records.events(kind="schedule.skipped") if one["schedule"] == "cron:alone"
            ]

        told = wait_for(skipped, what="one that was skipped")
        assert {one["why"] for one in told} == {"overlap"}
        dues = {one["data"]["due"] for one in _fired(rig, "cron:alone")}
        assert dues.isdisjoint(one["due"] for one in told)

    def test_of_two_workers_one_tells_of_each_firing_and_both_obey(self, rig):
        with rig.another() as other:
            count = rig.fired(rig.often)
            wait_for(lambda: rig.fired(rig.often) >= count + 3, what="firings")
            told = [*_fired(rig, rig.often), *_fired_by(other, rig.often)]
            dues = [event["data"]["due"] for event in told]
            assert len(set(dues)) == len(dues)
            try:
                assert rig.records.ask("schedule_disable", Target(name=rig.often)).outcome == Outcome.DONE
                assert not dict(other.read("schedules"))[rig.often]["enabled"], "it lists every few seconds"
                time.sleep(rig.settles)
                count = rig.fired(rig.often)
                time.sleep(2 * rig.period)
                assert rig.fired(rig.often) == count
            finally:
                rig.records.ask("schedule_enable", Target(name=rig.often))

    def test_while_a_job_blocks_the_loop_run_now_says_so_and_disabling_works(self, rig):
        assert rig.run(rig.pool.enqueue_job("block", "let-go", _queue_name="orders"))
        try:
            wait_for(lambda: _stands(rig), what="the loop to stand still")
            answer = rig.records.ask("schedule_run", Target(name=rig.rarely, command="blocked", item=1))
            assert (answer.outcome, "blocks" in answer.detail) == (Outcome.FAILED, True)
            assert rig.records.ask("schedule_disable", Target(name=rig.rarely)).outcome == Outcome.DONE
        finally:
            (rig.folder / "let-go").touch()
        wait_for(lambda: not _stands(rig), what="the loop to turn again")
        assert rig.records.ask("schedule_enable", Target(name=rig.rarely)).outcome == Outcome.DONE
        assert rig.fired(rig.rarely) == 0, "what the loop did not get to is not done later"

    def test_what_arq_cannot_keep_is_refused_with_its_reason(self, rig):
        for given, word in (
            ({"every": 2_000_000}, "intervals"),
            ({"at": 4_000_000_000_000_000}, "single times"),
            ({"cron": "* * * * *", "kwargs": {"x": 1}}, "without arguments"),
            ({"cron": "* * * * *", "queue": "other"}, "own queue"),
            ({"cron": "* * * * *", "zone": "Europe/Paris"}, "zone"),
        ):
            answer = rig.records.ask("schedule_edit", Target(name=rig.rarely), **given)
            assert (answer.outcome, word in answer.detail) == (Outcome.FAILED, True), answer
        answer = rig.records.ask("schedule_create", Target(name="x"), task="os.system", cron="* * * * *")
        assert answer.outcome == Outcome.FAILED
        assert rig.records.ask("schedule_delete", Target(name=rig.rarely)).outcome == Outcome.UNSUPPORTED


def test_where_no_worker_runs_nothing_is_offered_and_the_reason_is_told(tmp_path):
    adapter = ArqCron()
    assert adapter.capabilities() == {}
    assert set(adapter.missing().values()) == {"Only a worker has cron jobs, and none runs in this process."}
    assert (adapter.running(), list(adapter.schedules())) == (None, [])


def _fired(rig, key):
    return _fired_by(rig.records, key)


def _fired_by(records, key):
    return [event for event in records.events(kind="schedule.fired") if event["schedule"] == key]


def _stands(rig):
    [first] = rig.records.read("running")
    time.sleep(1)
    [second] = rig.records.read("running")
    return first["tick"] == second["tick"]
