"""What the suite does not ask of periodiq: plans of whole minutes, its alarm, its Sundays, and what workers skip."""

from __future__ import annotations

import pendulum
import pytest
from dramatiq import Worker
from periodiq import cron
from periodiq_rig import PeriodiqRig
from z4j_core.scheduler import Target
from z4j_core.testing.recording import PATIENCE, RecordingHost, Records, wait_for
from z4j_core.wire import Outcome
from z4j_periodiq.specs import Impossible, described, wanted

MINUTE = 60_000_000


@pytest.fixture
def rig(tmp_path):
    with PeriodiqRig(tmp_path, "minutes") as rig:
        yield rig


def ask(rig, verb, key, **params):
    answer = rig.records.ask(verb, Target(command=f"{verb}-{key}", item=1, name=key), **params)
    assert answer.outcome == Outcome.DONE, answer


def test_a_loop_that_would_have_slept_for_months_turns_in_the_next_minute_and_once_in_it(rig):
    # It answers as soon as its actors begin to be made.
    wait_for(lambda: {"often", "other", "rarely"} <= dict(rig.records.read("schedules")).keys(), what="its actors")
    facts = dict(rig.records.read("schedules"))
    assert (facts["rarely"]["cron"], facts["rarely"]["queue"]) == ("0 3 1 1 *", "later")
    assert (facts["often"]["cron"], facts["often"]["text"]) == ("30 4 * * 0", "30 4 * * sun")
    assert (facts["other"]["cron"], facts["other"]["text"]) == ("0 0 1 1 *", "@yearly")
    assert facts.keys() == {"often", "other", "rarely"}, "an actor without a plan is no schedule"
    ask(rig, "schedule_edit", "rarely", cron="* * * * *")
    ask(rig, "schedule_edit", "other", cron="* * * * *")
    ask(rig, "schedule_disable", "other")
    # The agent lists every few seconds, which sets an alarm that was set while a plan changed.
    wait_for(lambda: rig.records.read("schedules") and rig.fired("rarely"), 60 + PATIENCE, "the next minute")
    rig.restart()
    # Its first turn is at once, for the minute that it is.
    wait_for(lambda: rig.fired("rarely") >= 2, 10 + PATIENCE, "the first turn")
    assert not rig.fired("other")
    told = [event["data"]["due"] for event in rig.records.events(kind="schedule.fired")]
    assert len(told) == rig.fired("rarely")
    assert all(due % MINUTE == 0 for due in told)
    facts = dict(rig.records.read("schedules"))
    assert (facts["rarely"]["text"], facts["rarely"]["code"]) == ("* * * * *", "0 3 1 1 *")
    assert (facts["other"]["enabled"], facts["other"]["code"]) == (False, "@yearly")
    assert "next" not in facts["other"]


def test_a_sunday_that_people_ask_for_is_one():
    sunday = pendulum.datetime(2026, 11, 29)
    for text in ("0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "@weekly"):
        plan = wanted({"cron": text}, cron("0 3 1 1 *"))
        assert plan.validate(sunday), text
        assert plan.next_valid_date(sunday.subtract(days=2)) == sunday
        assert described(plan)["cron"] == "0 0 * * 0,7"


@pytest.mark.parametrize(
    "params",
    [
        {"every": 60_000_000},
        {"at": 4_000_000_000_000_000},
        {"cron": "* * * *"},
        {"cron": "*/5 * * * * *"},
        {"cron": "0 24 * * *"},
        {"cron": "*/0 * * * *"},
        {"cron": "9-3 * * * *"},
        {"cron": "@often"},
        {"cron": "0 0 31 2 *"},
        {"cron": "* * * * *", "zone": "Pacific/Apia"},
        {"cron": "* * * * *", "args": [1]},
        {"cron": "* * * * *", "queue": "other"},
        {},
    ],
)
def test_what_periodiq_cannot_keep_is_refused_with_a_sentence(params):
    with pytest.raises(Impossible, match=r"\.$"):
        wanted(params, cron("0 3 1 1 *"))


def test_a_worker_tells_of_a_message_that_it_skips_for_its_age_and_can_run_one_now(rig, tmp_path):
    folder = tmp_path / "worker"
    folder.mkdir()
    adapter = rig.scheduler()
    adapter.install(RecordingHost(folder))
    try:
        assert adapter.capabilities().keys() == {"schedule_run"}
        assert "own process" in adapter.missing()["schedule_edit"]
        late = pendulum.now().subtract(minutes=2)
        rig.broker.actors["often"].send_with_options(scheduled_at=str(late))
        worker = Worker(rig.broker, worker_threads=1)
        worker.start()
        try:
            [skipped] = wait_for(lambda: Records(folder).events(kind="schedule.skipped"), what="it to be skipped")
        finally:
            worker.stop()
        assert (skipped["schedule"], skipped["data"]["why"]) == ("often", "late")
        assert 0 <= late.timestamp() * 1_000_000 - skipped["data"]["due"] < MINUTE
        answer = adapter.act("schedule_run", Target(command="run", item=1, name="often"), {})
        assert [message.message_id for message in rig.messages()] == [answer.new_task_id]
        assert Records(folder).events(kind="schedule.fired")[0]["data"]["asked"] is True
    finally:
        adapter.uninstall()
