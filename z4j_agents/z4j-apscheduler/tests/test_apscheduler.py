"""What the suite does not ask of APScheduler: the outcome of each run, and its own traps."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from apscheduler.executors.debug import DebugExecutor
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from z4j_apscheduler import APScheduler, runs
from z4j_core.scheduler import Target
from z4j_core.testing.recording import RecordingHost, Records, wait_for
from z4j_core.wire import Outcome

UTC = timezone(timedelta(0))


def nothing():
    return 7


def work():
    time.sleep(0.3)
    return 7


def leak(password):
    time.sleep(0.3)
    raise ValueError(f"cannot take password={password}")


def vanish():
    os._exit(1)


async def nap():
    await asyncio.sleep(0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@contextmanager
def running(folder, define, *, functions=(), **options):
    """One start of a scheduler, from its code to its end."""
    scheduler = BackgroundScheduler(timezone="UTC", **options)
    adapter = APScheduler(scheduler, functions)
    adapter.install(RecordingHost(folder, "redact"))
    define(scheduler)
    scheduler.start()
    try:
        yield scheduler, adapter
    finally:
        scheduler.shutdown(wait=False)


def ask(adapter, verb, key, **params):
    return adapter.act(verb, Target(command=f"{verb}-{key}", item=1, name=key), params)


def listed(adapter):
    return dict(adapter.schedules())


def kinds(folder, task_id):
    return [event["kind"] for event in Records(folder).events(task_id)]


def once(folder, kind):
    """The first event of a kind, once it is told."""
    return wait_for(lambda: Records(folder).events(kind=kind), what=kind)[0]


def test_each_run_is_told_as_a_task_with_its_outcome(folder):
    def define(scheduler):
        scheduler.add_job(work, "date", id="good")
        scheduler.add_job(leak, "date", id="bad", kwargs={"password": "canary-1"})

    with running(folder, define):
        good, bad = once(folder, "task.succeeded"), once(folder, "task.failed")
    assert kinds(folder, good["task_id"]) == ["schedule.fired", "task.enqueued", "task.started", "task.succeeded"]
    assert kinds(folder, bad["task_id"]) == ["schedule.fired", "task.enqueued", "task.started", "task.failed"]
    assert (good["engine"], good["schedule"], good["result"]) == ("apscheduler", "good", "7")
    assert good["runtime_ms"] >= 250
    assert bad["error"]["type"] == "ValueError"
    assert bad["error"]["traceback"]
    assert "canary-1" not in Records(folder).text()


def test_a_run_that_is_too_late_or_overlaps_is_skipped_and_no_task(folder):
    held = threading.Event()
    with running(folder, lambda scheduler: scheduler.add_job(held.wait, "interval", hours=1, id="one")) as (
        scheduler,
        _,
    ):
        late = datetime.now(UTC) - timedelta(seconds=30)
        scheduler.modify_job("one", next_run_time=late)
        skipped = once(folder, "schedule.skipped")
        assert (skipped["schedule"], skipped["data"]["why"]) == ("one", "late")
        assert skipped["data"]["due"] == round(late.timestamp() * 1_000_000)
        assert not Records(folder).events(kind="schedule.fired")
        scheduler.modify_job("one", next_run_time=datetime.now(UTC))
        once(folder, "task.started")
        scheduler.modify_job("one", next_run_time=datetime.now(UTC))
        wait_for(lambda: len(Records(folder).events(kind="schedule.skipped")) == 2, what="the overlap")
        assert Records(folder).events(kind="schedule.skipped")[1]["data"]["why"] == "overlap"
        assert len(Records(folder).events(kind="schedule.fired")) == 1
        held.set()
        once(folder, "task.succeeded")


def test_a_run_that_waits_for_a_thread_has_not_begun(folder):
    first, begun = threading.Event(), threading.Event()

    def define(scheduler):
        scheduler.add_job(first.wait, "date", id="first")

    with running(folder, define, executors={"default": ThreadPoolExecutor(1)}) as (scheduler, _):
        once(folder, "task.started")
        scheduler.add_job(begun.set, "date", id="second")
        wait_for(lambda: len(Records(folder).events(kind="schedule.fired")) == 2, what="the second")
        assert len(Records(folder).events(kind="task.started")) == 1
        first.set()
        wait_for(lambda: len(Records(folder).events(kind="task.succeeded")) == 2, what="both")
    order = [(event["kind"], event["schedule"]) for event in Records(folder).events() if "task." in event["kind"]]
    assert order.index(("task.succeeded", "first")) < order.index(("task.started", "second"))


def test_a_run_that_has_ended_before_it_is_said_to_be_submitted_is_told_once(folder):
    with running(folder, lambda scheduler: scheduler.add_job(nothing, "date"), executors={"default": DebugExecutor()}):
        ended = once(folder, "task.succeeded")
        wait_for(lambda: not Records(folder).events(kind="task.started"), what="nothing more")
    assert kinds(folder, ended["task_id"]) == ["schedule.fired", "task.enqueued", "task.succeeded"]


def test_a_run_whose_process_died_is_lost(folder, monkeypatch):
    monkeypatch.setattr(runs, "LOST_AFTER", 0)

    def define(scheduler):
        scheduler.add_job(vanish, "date", misfire_grace_time=None)

    with running(folder, define, executors={"default": ProcessPoolExecutor(1)}) as (_, adapter):
        once(folder, "task.started")
        wait_for(lambda: not listed(adapter) and Records(folder).events(kind="task.lost"), what="its loss")
    assert Records(folder).events(kind="task.lost")[0]["error"]["reason"] == "worker_lost"


@pytest.mark.parametrize(
    ("fields", "cron"),
    [
        ({"minute": "*/5"}, "*/5 * * * *"),
        ({"hour": 3}, "0 3 * * *"),
        ({"second": "*/10"}, "*/10 * * * * *"),
        ({"day_of_week": 0, "hour": 9}, "0 9 * * 1"),
        ({"day_of_week": "sun"}, "0 0 * * 7"),
        ({"day_of_week": "mon-fri", "hour": "8-10", "minute": "15,45"}, "15,45 8-10 * * 1-5"),
        ({"month": "jan-mar", "day": 1}, "0 0 1 1-3 *"),
        ({"day": "last"}, None),
        ({"day": "2nd fri"}, None),
        ({"day": 13, "day_of_week": "fri"}, None),
        ({"year": 2050}, None),
        ({"minute": "0", "jitter": 30}, None),
        ({"minute": "0", "end_date": datetime(2090, 1, 1, tzinfo=UTC)}, None),
    ],
)
def test_a_plan_is_told_as_a_crontab_only_when_it_means_the_same(folder, fields, cron):
    def define(scheduler):
        scheduler.add_job(nothing, "cron", timezone="Europe/Berlin", id="one", **fields)

    with running(folder, define) as (_, adapter):
        facts = listed(adapter)["one"]
    assert (facts["plan"], facts.get("cron")) == ("cron" if cron else "other", cron)
    assert facts["zone"] == "Europe/Berlin"
    assert facts["next"] > 0


def test_a_crontab_with_its_own_weekdays_is_kept_as_it_is_meant(folder):
    with running(folder, lambda scheduler: scheduler.add_job(nothing, "date", id="one", run_date="2090-01-01")) as both:
        scheduler, adapter = both
        for given, told in (
            ("0 9 * * 0", "0 9 * * 7"),
            ("5 4 * * */2", "5 4 * * 2,4,6-7"),
            ("0 0 * * 6-7", "0 0 * * 6-7"),
        ):
            answer = ask(adapter, "schedule_edit", "one", cron=given, zone="Europe/Berlin")
            assert answer.outcome == Outcome.DONE, answer
            assert listed(adapter)["one"]["cron"] == told
        weekday = scheduler.get_job("one").next_run_time.isoweekday()
        assert weekday in (6, 7)


@pytest.mark.parametrize(
    "plan",
    [
        {"cron": "0 0 31 2 *"},
        {"cron": "0 0 13 * 5"},
        {"cron": "0 0 * * 8"},
        {"cron": "* * *"},
        {"every": 10},
        {"every": 10**30},
        {"at": 1},
        {"at": "soon"},
        {"zone": "UTC"},
        {"cron": "* * * * *", "every": 5_000_000},
        {"queue": "other"},
        {"args": ["too", "many"]},
        {"args": "text"},
    ],
)
def test_what_never_comes_or_cannot_be_is_refused_and_changes_nothing(folder, plan):
    with running(folder, lambda scheduler: scheduler.add_job(nothing, "interval", hours=1, id="one")) as (_, adapter):
        before = listed(adapter)
        answer = ask(adapter, "schedule_edit", "one", **plan)
        assert (answer.outcome, answer.detail[-1:]) == (Outcome.FAILED, "."), answer
        assert listed(adapter) == before


def test_a_disabled_one_stays_disabled_when_it_is_edited_also_after_a_restart(folder):
    def define(scheduler):
        scheduler.add_job(nothing, "interval", hours=1, id="one")

    with running(folder, define) as (_, adapter):
        ask(adapter, "schedule_disable", "one")
        ask(adapter, "schedule_edit", "one", every=1_000_000)
        assert not listed(adapter)["one"]["enabled"]
    with running(folder, define) as (_, adapter):
        facts = listed(adapter)["one"]
        assert (facts["enabled"], facts["every"], facts["code"]) == (False, 1_000_000, "interval[1:00:00]")
        assert ask(adapter, "schedule_run", "one").outcome == Outcome.DONE
        assert once(folder, "schedule.fired")["data"]["asked"] is True
        assert not listed(adapter)["one"]["enabled"]


def test_jobs_without_an_id_are_known_again_by_their_names(folder):
    def define(scheduler):
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.add_job(nothing, "interval", hours=2)

    with running(folder, define) as (_, adapter):
        assert listed(adapter).keys() == {"nothing", "nothing#2"}
        ask(adapter, "schedule_disable", "nothing#2")
    with running(folder, define) as (_, adapter):
        assert {key: facts["enabled"] for key, facts in listed(adapter).items()} == {
            "nothing": True,
            "nothing#2": False,
        }


def test_what_was_deleted_stays_away_but_another_one_of_its_key_may_come(folder):
    def define(scheduler):
        scheduler.add_job(nothing, "interval", hours=1, id="one")

    with running(folder, define) as (_, adapter):
        assert ask(adapter, "schedule_delete", "one").outcome == Outcome.DONE
    with running(folder, define) as (scheduler, adapter):
        assert listed(adapter) == {}
        scheduler.add_job(nothing, "interval", hours=2, id="one")
        assert listed(adapter)["one"]["enabled"]
    with running(folder, define) as (_, adapter):
        assert listed(adapter).keys() == {"one"}


def test_only_functions_that_it_knows_can_be_scheduled(folder):
    with running(folder, lambda scheduler: None, functions=[nothing]) as (_, adapter):
        answer = ask(adapter, "schedule_create", "made", task="os:system", args=["true"], every=1_000_000)
        assert answer.outcome == Outcome.FAILED
        assert ask(adapter, "schedule_create", "made", task="nothing", every=1_000_000).outcome == Outcome.FAILED
        name = next(iter(adapter.functions))
        assert ask(adapter, "schedule_create", "made", task=name, every=1_000_000).outcome == Outcome.DONE
        assert once(folder, "task.succeeded")["schedule"] == "made"


def test_one_that_is_over_cannot_be_enabled_and_what_was_kept_of_it_is_forgotten(folder):
    held = threading.Event()

    def define(scheduler):
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        scheduler.add_job(nothing, "date", run_date=soon, id="one")
        scheduler.add_job(held.set, "interval", seconds=0.7, id="clock")

    with running(folder, define, functions=[nothing]) as (_, adapter):
        ask(adapter, "schedule_disable", "one")
        assert held.wait(20)
        assert ask(adapter, "schedule_enable", "one").outcome == Outcome.FAILED
        at = round((datetime.now(UTC) + timedelta(seconds=0.5)).timestamp() * 1_000_000)
        name = next(iter(adapter.functions))
        assert ask(adapter, "schedule_create", "made", task=name, at=at).outcome == Outcome.DONE
        wait_for(lambda: "made" not in listed(adapter), what="its end")
        assert not [key for key, _ in adapter.host.state.items("schedule/") if key.endswith("made")]


def test_a_job_that_another_process_put_into_the_store_is_noticed(folder):
    url = f"sqlite:///{folder}/jobs.db"
    with running(folder, lambda scheduler: None, jobstores={"default": SQLAlchemyJobStore(url)}) as (_, adapter):
        other = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url)})
        other.start(paused=True)
        other.add_job(int, "interval", seconds=1, id="theirs")
        other.shutdown()
        wait_for(lambda: adapter.running() and Records(folder).events(kind="task.succeeded"), what="its run")
        assert Records(folder).events(kind="schedule.fired")[0]["schedule"] == "theirs"
        assert listed(adapter)["theirs"]["definition"] == "store"


def test_a_paused_scheduler_is_not_said_to_run(folder):
    with running(folder, lambda scheduler: scheduler.add_job(nothing, "interval", hours=1, id="one")) as (
        scheduler,
        two,
    ):
        assert two.running()
        scheduler.pause()
        assert two.running() is None
        assert ask(two, "schedule_run", "one").outcome == Outcome.FAILED
    assert two.running() is None
    assert ask(two, "schedule_run", "one").outcome == Outcome.UNSUPPORTED


def test_coroutines_of_an_event_loop_are_told_and_run_now(folder):
    async def main():
        scheduler = AsyncIOScheduler(timezone="UTC")
        adapter = APScheduler(scheduler)
        adapter.install(RecordingHost(folder, "redact"))
        scheduler.add_job(nap, "interval", hours=1, id="nap")
        scheduler.start()
        answer = await asyncio.to_thread(ask, adapter, "schedule_run", "nap")
        await asyncio.to_thread(once, folder, "task.succeeded")
        scheduler.shutdown()
        return answer

    answer = asyncio.run(main())
    assert kinds(folder, answer.new_task_id)[-2:] == ["task.started", "task.succeeded"]


def test_a_scheduler_that_runs_already_is_taken_as_it_is(folder):
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(nothing, "interval", hours=1, id="one")
    scheduler.start()
    try:
        adapter = APScheduler(scheduler)
        adapter.install(RecordingHost(folder, "redact"))
        assert ask(adapter, "schedule_disable", "one").outcome == Outcome.DONE
        assert not listed(adapter)["one"]["enabled"]
        assert once(folder, "scheduler.online")
    finally:
        scheduler.shutdown()
