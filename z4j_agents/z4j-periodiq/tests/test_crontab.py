"""What the suite does not ask of dramatiq-crontab: its keys, its deletions, and its way to write weekdays."""

from __future__ import annotations

import pytest
from apscheduler.triggers.cron import CronTrigger
from periodiq_rig import CrontabRig
from z4j_core.scheduler import Target
from z4j_core.wire import Outcome
from z4j_periodiq.crontab_plans import Impossible, described, wanted


def test_each_job_of_an_actor_has_its_key_and_what_was_deleted_stays_away(tmp_path):
    with CrontabRig(tmp_path) as rig:
        facts = dict(rig.records.read("schedules"))
        assert facts.keys() == {"often", "rarely", "twice", "twice#2"}
        assert (facts["twice"]["cron"], facts["twice#2"]["cron"]) == ("30 9 * * 1-5", "30 18 * * 7")
        assert (facts["rarely"]["zone"], facts["rarely"]["queue"]) == ("Europe/Berlin", "later")
        answer = rig.records.ask("schedule_delete", Target(command="c1", item=1, name="twice"))
        assert answer.outcome == Outcome.DONE
        answer = rig.records.ask(
            "schedule_create", Target(command="c2", item=1, name="x"), task="os.system", every=10**6
        )
        assert answer.outcome == Outcome.FAILED
        assert dict(rig.records.read("schedules")).keys() == {"often", "rarely", "twice#2"}
        rig.restart()
        assert dict(rig.records.read("schedules")).keys() == {"often", "rarely", "twice#2"}


@pytest.mark.parametrize(
    ("fields", "cron"),
    [
        ({"minute": "*/5"}, "*/5 * * * *"),
        ({"minute": "5/10"}, "5-59/10 * * * *"),
        ({"day_of_week": "0,6", "hour": 9}, "0 9 * * 1,7"),
        ({"day_of_week": "sat-sun"}, "0 0 * * 6-7"),
        ({"month": "jan-mar", "day": 1}, "0 0 1 1-3 *"),
        ({"day": "last"}, None),
        ({"day": 13, "day_of_week": "fri"}, None),
        ({"second": "*/5"}, None),
        ({"minute": 0, "jitter": 5}, None),
    ],
)
def test_a_plan_is_told_as_a_crontab_only_when_it_means_the_same(fields, cron):
    assert described(CronTrigger(timezone="UTC", **fields)).get("cron") == cron


@pytest.mark.parametrize("given", ["0 9 * * 0", "5 4 * * */2", "0 0 * * 6-7", "0 0 1 1,7 *", "0 9-17/2 * * mon,fri"])
def test_a_plan_that_was_asked_for_is_told_as_it_was_meant(given):
    trigger = wanted({"cron": given}, "UTC")
    again = wanted({"cron": described(trigger)["cron"]}, "UTC")
    assert str(again) == str(trigger)


@pytest.mark.parametrize(
    "params",
    [
        {"cron": "* * * * * *"},
        {"cron": "0 0 31 2 *"},
        {"cron": "0 0 13 * 5"},
        {"cron": "0 0 * * 8"},
        {"cron": "* * * * *", "zone": "A/B"},
        {"every": 1},
        {"every": "often"},
        {"at": 4_000_000_000_000_000},
        {"zone": "UTC"},
        {"cron": "* * * * *", "every": 5_000_000},
    ],
)
def test_what_it_cannot_keep_is_refused_with_a_sentence(params):
    with pytest.raises(Impossible, match=r"\.$"):
        wanted(params, "UTC")
