"""What is peculiar to RQ's schedulers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rigs import CronRig, LibraryRig, ScheduledRig
from rq.job import Job, Retry
from rq.queue import Queue
from z4j_core.scheduler import Target, micros
from z4j_core.testing.recording import wait_for
from z4j_core.wire import Outcome
from z4j_rqscheduler import entries, known, plans


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Each rig once, when it is first asked for."""
    rigs = {}

    def rig(kind):
        if kind not in rigs:
            rigs[kind] = kind(tmp_path_factory.mktemp("rig")).__enter__()
        return rigs[kind]

    yield rig
    for one in rigs.values():
        one.__exit__()


def listed(rig):
    return dict(rig.records.read("schedules"))


def ask(rig, verb, key, **params):
    return rig.records.ask(verb, Target(command=f"{verb}-{micros()}", item=1, name=key), **params)


def test_two_entries_of_one_function_have_keys_of_their_own(made):
    rig = made(CronRig)
    found = listed(rig)
    assert [found[key]["cron"] for key in ("shop.note", "shop.note#2")] == ["0 6 29 2 *", "0 7 29 2 *"]
    assert ask(rig, "schedule_run", "shop.note#2").outcome == Outcome.DONE
    assert rig.records.events(kind="schedule.fired")[-1]["schedule"] == "shop.note#2"


@pytest.mark.parametrize("kind", [CronRig, LibraryRig, ScheduledRig])
def test_a_function_that_nobody_has_sent_is_not_scheduled_by_its_name(made, kind):
    rig = made(kind)
    for task in ("shop.unknown", "os.system", ""):
        answer = ask(rig, "schedule_create", "evil", task=task, every=1_000_000)
        assert (answer.outcome, "No function of that name" in answer.detail) == (Outcome.FAILED, True)
    assert "evil" not in listed(rig)


@pytest.mark.parametrize("kind", [LibraryRig, ScheduledRig])
def test_a_job_that_is_scheduled_anew_by_its_program_stays_disabled(made, kind):
    rig = made(kind)
    assert ask(rig, "schedule_disable", "rarely").outcome == Outcome.DONE
    rig.prepare()
    assert not listed(rig)["rarely"]["enabled"]
    before = rig.connection.zcard("rq:scheduler:scheduled_jobs") + rig.connection.zcard("rq:scheduled:rarely")
    wait_for(
        lambda: (
            rig.connection.zscore("rq:scheduler:scheduled_jobs", "rarely") is None
            and rig.connection.zscore("rq:scheduled:rarely", "rarely") is None
        ),
        what=f"it to be taken out of the {before}",
    )
    assert ask(rig, "schedule_enable", "rarely").outcome == Outcome.DONE
    assert listed(rig)["rarely"]["enabled"]


def test_other_arguments_and_another_queue_are_those_of_the_next_firing(made):
    rig = made(LibraryRig)
    answer = ask(rig, "schedule_edit", "rarely", args=["other"], queue="elsewhere")
    assert answer.outcome == Outcome.DONE, answer
    task_id = ask(rig, "schedule_run", "rarely").new_task_id
    job = Job.fetch(task_id, connection=rig.connection)
    assert (job.func_name, job.args, job.kwargs, job.origin) == ("shop.note", ("other",), {}, "elsewhere")
    assert ask(rig, "schedule_edit", "rarely", args=["rarely"], queue="rarely").outcome == Outcome.DONE


def test_an_expression_that_a_library_reads_in_its_own_way_is_told_as_text(made):
    rig = made(LibraryRig)
    before = listed(rig)["rarely"]["every"]
    for cron, plan in (("0 0 13 * 5", "other"), ("@daily", "other"), ("30 4 * * 1-5", "cron"), ("5 0 4 * * 1", "cron")):
        assert ask(rig, "schedule_edit", "rarely", cron=cron).outcome == Outcome.DONE
        facts = listed(rig)["rarely"]
        assert (facts["plan"], facts.get("cron", "")) == (plan, cron if plan == "cron" else "")
        assert facts["next"] > micros()
    assert ask(rig, "schedule_edit", "rarely", every=before).outcome == Outcome.DONE


def test_one_shots_are_listed_once_and_a_retry_is_none(made):
    rig = made(ScheduledRig)
    queue, later = Queue("often", connection=rig.connection), datetime.now(UTC) + timedelta(days=3)
    queue.enqueue_at(later, "shop.note", "once", job_id="once")
    queue.enqueue("shop.fail", job_id="again", retry=Retry(max=1, interval=3600))
    wait_for(lambda: rig.connection.zscore("rq:scheduled:often", "again"), what="a job that waits for another attempt")
    found = listed(rig)
    assert "again" not in found
    assert (found["once"]["plan"], found["once"]["at"] // 1_000_000) == ("once", int(later.timestamp()))
    assert ask(rig, "schedule_edit", "once", every=1_000_000).outcome == Outcome.FAILED
    soon = micros() + 2_000_000
    assert ask(rig, "schedule_edit", "once", at=soon).outcome == Outcome.DONE
    wait_for(lambda: rig.fired("once"), what="its turn")
    fired = [event for event in rig.records.events(kind="schedule.fired") if event["schedule"] == "once"]
    assert [event["data"]["due"] // 1_000_000 for event in fired] == [soon // 1_000_000]
    assert "once" not in listed(rig)


def test_what_is_deleted_while_it_runs_does_not_come_back(made):
    rig = made(ScheduledRig)
    queue = Queue("often", connection=rig.connection)
    plan = {"task": "shop.hold", "args": ["held"], "queue": "often", "every": 1_000_000}
    queue.enqueue("shop.hold", "other", job_id="known")
    (rig.folder / "other").touch()
    queue.enqueue_in(timedelta(days=2), "shop.hold", "x", job_id="sends-it")
    assert ask(rig, "schedule_create", "held", **plan).outcome == Outcome.DONE
    wait_for(lambda: Job.fetch("held", connection=rig.connection).get_status() == "started", what="its run")
    assert ask(rig, "schedule_delete", "held").outcome == Outcome.DONE
    assert "held" not in listed(rig)
    (rig.folder / "held").touch()
    wait_for(lambda: not Job.exists("held", connection=rig.connection), what="it to be gone")
    assert ask(rig, "schedule_delete", "sends-it").outcome == Outcome.DONE


def test_an_edit_of_a_job_that_runs_is_in_force_when_it_has_ended(made):
    rig = made(ScheduledRig)
    Queue("often", connection=rig.connection).enqueue_in(timedelta(days=2), "shop.hold", "x", job_id="sends-hold")
    plan = {"task": "shop.hold", "args": ["late"], "queue": "often", "every": 1_000_000}
    assert ask(rig, "schedule_create", "late", **plan).outcome == Outcome.DONE
    wait_for(lambda: Job.fetch("late", connection=rig.connection).get_status() == "started", what="its run")
    answer = ask(rig, "schedule_edit", "late", every=7_000_000_000, args=["later"], kwargs={})
    assert (answer.outcome, "when it has ended" in answer.detail) == (Outcome.DONE, True)
    (rig.folder / "late").touch()
    wait_for(lambda: listed(rig)["late"]["every"] == 7_000_000_000, what="the edit")
    wait_for(lambda: listed(rig)["late"].get("next", 0) > micros() + 6_000_000_000, what="its next turn")
    assert Job.fetch("late", connection=rig.connection).args == ("later",)
    for key in ("late", "sends-hold"):
        assert ask(rig, "schedule_delete", key).outcome == Outcome.DONE


def test_seconds_are_the_first_of_six_fields_for_us_and_the_last_for_rq():
    assert entries.seconds_last("*/10 * * * * *") == "* * * * * */10"
    assert entries.seconds_first("* * * * * */10") == "*/10 * * * * *"
    assert entries.seconds_first("1 2 3 4 5") == "1 2 3 4 5"


@pytest.mark.parametrize("cron", ["0 0 L * *", "H * * * *", "0 0 * * 5#2", "@hourly", "? * * * *"])
def test_what_not_everybody_reads_alike_is_no_plain_expression(cron):
    assert not plans.is_plain(cron)


def test_the_function_of_a_job_is_read_without_opening_it():
    job = Job.create("shop.note", args=("x",), connection=object(), description="")
    assert known.named_in(job.data, "") == "shop.note"
    assert known.named_in(b"nonsense", "shop.note('x')") == "shop.note"
    assert known.named_in(b"nonsense", "rm -rf") == ""
