"""z4j's own schedules are fired when they are due: once for each due time, by an agent, or it is said why not."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from z4j_core.adapter import Target

from tests import rows, sealed
from tests import wire as sent
from tests.cast import Cast
from z4j_brain.agents.models import Agent
from z4j_brain.housekeeping import loops
from z4j_brain.ledger.models import Entry
from z4j_brain.operations import expiry, outbox
from z4j_brain.operations.models import Command, Operation
from z4j_brain.schedules import actions, carriers, dispatch, firing, own, until
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

BOOT = uuid.UUID(int=7)
#: What an agent offers that runs many with one command.
MANY = ("run", "run_each")
HOUR = timedelta(hours=1)


class Scene:
    """Harbor's production with an agent that may run tasks."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.place, self.key = cast, cast.production, cast.agent_key()
        self.adam = cast.actor("adam")
        self.made = 0

    def schedule(self, due: datetime | None = None, **told: Any) -> Schedule:
        """Hourly unless told otherwise; next due at `due`."""
        self.made += 1
        usual = {"key": f"report-{self.made}", "task": "shop.report", "engine": "celery"}
        usual |= {} if {"cron", "every", "at"} & told.keys() else {"cron": "0 * * * *"}
        schedule = own.create(self.place, usual | told, actor=self.adam, reason="")
        if due is not None:
            Schedule.objects.filter(pk=schedule.pk).update(next_at=due)
            schedule.refresh_from_db()
        return schedule

    def agent(self, boot: uuid.UUID = BOOT, *, verbs: tuple[str, ...] = ("run",)) -> Agent:
        ingest(self.key, sent.parsed(sent.online(1, allowed=verbs), boot=boot))
        agent = Agent.objects.get(boot=boot)
        agent.engines = [{"name": "celery", "version": "5", "capabilities": {verb: {"note": ""} for verb in verbs}}]
        agent.save()
        return agent

    def worker(self, agent: Agent, *names: str) -> None:
        """It says which tasks it knows."""
        data = {"started": sent.now(), "queues": [], "tasks": [{"name": name} for name in names]}
        told = {"seq": 2, "kind": "worker.online", "ts": sent.now(), "engine": "celery", "worker": str(agent.boot)}
        ingest(self.key, sent.parsed(told | {"data": data}, boot=agent.boot))

    def fire(self, now: datetime | None = None) -> int:
        return dispatch.fire(self.place, now)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def ago(**delta: float) -> datetime:
    return timezone.now() - timedelta(**delta)


def runs(schedule: Schedule) -> list[tuple[str, str]]:
    return [(run.state, run.why) for run in schedule.runs.order_by("due_at")]


def test_what_is_due_is_sent_by_an_agent_under_an_id_that_is_known_before(scene):
    agent, due = scene.agent(), ago(seconds=1)
    schedule = scene.schedule(due, args=[4, "ü"], kwargs={"dry": True}, queue="mail")

    assert scene.fire() == 1

    run = schedule.runs.get()
    assert (run.state, run.due_at, run.engine, run.asked) == ("pending", due, "celery", False)
    assert run.late_ms >= 1000
    [command] = sealed.lease(agent)
    target = command["targets"][0]
    assert (command["verb"], command["engine"]) == ("run", "celery")
    assert command["params"] == {"args": [4, "ü"], "kwargs": {"dry": True}, "queue": "mail", "schedule": schedule.key}
    assert (target["name"], target["queue"], target["task_id"]) == ("shop.report", "mail", "")
    assert run.task_id == Target(command=command["id"], item=target["item"]).new_task_id()
    assert run.operation_id == uuid.UUID(command["operation"])
    schedule.refresh_from_db()
    assert schedule.next_at > timezone.now()
    assert (schedule.next_at.minute, schedule.enabled) == (0, True)


def test_how_the_task_goes_is_how_the_run_goes(scene):
    scene.agent()
    schedule = scene.schedule(ago(seconds=1))
    scene.fire()
    told = {"task_id": schedule.runs.get().task_id, "schedule": schedule.key, "run": sent.START}
    ingest(
        scene.key,
        sent.parsed(sent.event(2, "task.enqueued", **told), sent.event(3, "task.succeeded", **told), boot=BOOT),
    )
    assert runs(schedule) == [("ok", "")]
    assert Task.objects.get().schedule == schedule.key


def test_a_due_time_is_fired_once_however_often_it_is_looked_at(scene):
    schedule = scene.schedule(ago(seconds=5))
    assert [scene.fire(), scene.fire()] == [1, 0]
    Schedule.objects.update(next_at=schedule.next_at)  # as if somebody had set it back
    assert scene.fire() == 1
    assert len(runs(schedule)) == 1
    assert Command.objects.count() == 1


def test_all_that_is_due_at_once_is_one_operation_with_an_entry_that_commits_to_its_commands(scene):
    made = [scene.schedule(ago(seconds=1)) for _ in range(5)]
    scene.fire()
    operation = Operation.objects.get()
    assert (operation.total, operation.actor_type, operation.action) == (5, "system", "schedule.fire")
    assert {item.label for item in operation.items.all()} == {schedule.key for schedule in made}
    entry = Entry.objects.get(pk=operation.entry_id)
    assert json.loads(bytes(entry.body))["commands"]
    assert operation.commands.count() == 5


def test_many_that_are_due_go_with_one_command_to_an_agent_that_knows_how(scene):
    agent = scene.agent(verbs=MANY)
    made = [scene.schedule(ago(seconds=1), args=[number]) for number in range(5)]
    patient = scene.schedule(ago(seconds=1), grace=3600)

    scene.fire()

    many, one = sealed.lease(agent, 9)
    assert (many["verb"], one["verb"]) == ("run_each", "run")
    given = {many["params"]["each"][str(target["item"])]["schedule"] for target in many["targets"]}
    assert given == {schedule.key for schedule in made}
    assert one["params"]["schedule"] == patient.key
    ids = {Target(command=many["id"], item=target["item"]).new_task_id() for target in many["targets"]}
    assert {schedule.runs.get().task_id for schedule in made} == ids
    assert Entry.objects.filter(phase="dispatch").count() == 2


def test_an_agent_from_before_that_is_asked_for_one_at_a_time(scene):
    agent = scene.agent()
    for _ in range(3):
        scene.schedule(ago(seconds=1))
    scene.fire()
    assert [command["verb"] for command in sealed.lease(agent, 9)] == ["run"] * 3


def test_a_command_carries_no_more_than_fits(scene, monkeypatch):
    agent = scene.agent(verbs=MANY)
    for number in range(7):
        scene.schedule(ago(seconds=1), args=["x" * 300 if number == 6 else number])
    monkeypatch.setattr(carriers, "MOST", 3)
    monkeypatch.setattr(carriers, "ROOM", 400)
    scene.fire()
    assert sorted(len(command["targets"]) for command in sealed.lease(agent, 9)) == [1, 3, 3]


def test_of_two_programs_on_one_engine_each_is_asked_for_the_tasks_it_knows(scene):
    shop, depot = scene.agent(verbs=MANY), scene.agent(uuid.UUID(int=8), verbs=MANY)
    scene.worker(shop, "shop.report", "both.tidy")
    scene.worker(depot, "depot.count", "both.tidy")
    names = ("shop.report", "shop.report", "depot.count", "depot.count", "both.tidy", "nobody.knows")
    for name in names:
        scene.schedule(ago(seconds=1), task=name)

    scene.fire()

    mine = {Command.objects.get(pk=command["id"]).audience_id: command for command in sealed.lease(shop, 9)}
    theirs = {Command.objects.get(pk=command["id"]).audience_id: command for command in sealed.lease(depot, 9)}
    named = lambda command: sorted(target["name"] for target in command["targets"])  # noqa: E731
    assert named(mine[shop.pk]) == ["shop.report", "shop.report"]
    assert named(theirs[depot.pk]) == ["depot.count", "depot.count"]
    assert named(mine[None]) == ["both.tidy", "nobody.knows"]
    assert None not in theirs


def test_what_no_agent_comes_for_within_its_grace_is_reported_on_its_run(scene):
    schedule = scene.schedule(ago(seconds=1), grace=30)
    scene.fire()
    expiry.expire(timezone.now() + timedelta(seconds=31))
    dispatch.report()
    assert runs(schedule) == [("reported", "No agent that can do this asked for work in time.")]


def test_what_was_told_meanwhile_is_not_overruled_by_what_was_read_before(scene):
    """Between looking and writing somebody else may have written that it ran after all."""
    schedule = scene.schedule(ago(seconds=1), grace=30)
    scene.fire()
    expiry.expire(timezone.now() + timedelta(seconds=31))
    with CaptureQueriesContext(connection) as captured:
        dispatch.report()
    assert runs(schedule) == [("reported", "No agent that can do this asked for work in time.")]
    [written] = [query["sql"] for query in captured if query["sql"].startswith("UPDATE")]
    assert "SELECT" not in written  # which is judged as of before, and not again once the row is free


def test_what_an_agent_cannot_do_is_reported_with_its_words(scene):
    agent, schedule = scene.agent(), scene.schedule(ago(seconds=1))
    scene.fire()
    [command] = sealed.lease(agent)
    results = [{"item": command["targets"][0]["item"], "outcome": "failed", "detail": "No such task."}]
    outbox.settle(
        agent, {"v": 1, "boot": str(BOOT), "command": command["id"], "fence": command["fence"], "results": results}
    )
    dispatch.report()
    assert runs(schedule) == [("reported", "No such task.")]


def test_what_was_taken_by_an_agent_that_died_is_sent_by_the_next_one(scene):
    """The run knows the id of its task from the beginning: that alone does not mean that there is one."""
    agent = scene.agent()
    scene.schedule(ago(seconds=1))
    scene.fire()
    [first] = sealed.lease(agent)
    Command.objects.update(lease_expires_at=ago(seconds=1))
    expiry.expire()
    [again] = sealed.lease(agent)
    assert (again["id"], again["fence"]) == (first["id"], 2)
    assert again["targets"] == first["targets"]


@pytest.mark.parametrize(
    ("catch_up", "states"),
    [
        ("skip", [("skipped", firing.AWAY)]),
        ("once", [("skipped", firing.FOR_ALL), ("pending", "")]),
        ("all", [("pending", "")] * 5),
    ],
)
def test_what_came_due_while_nobody_looked_is_made_up_for_as_the_schedule_says(scene, catch_up, states):
    now = timezone.now().replace(minute=30, second=0, microsecond=0) + HOUR
    schedule = scene.schedule(now - timedelta(hours=4, minutes=30), catch_up=catch_up)
    scene.fire(now)
    assert runs(schedule) == states
    assert sum(run.times for run in schedule.runs.all()) == 5
    schedule.refresh_from_db()
    assert schedule.next_at == now + timedelta(minutes=30)


def test_of_very_many_due_times_no_more_than_a_number_is_made_up_for(scene):
    now = timezone.now().replace(second=30, microsecond=0)
    schedule = scene.schedule(now - timedelta(days=9), cron="* * * * *", catch_up="all")
    scene.fire(now)
    states = [state for state, _ in runs(schedule)]
    assert states[: firing.MADE_UP] == ["pending"] * firing.MADE_UP
    assert states[firing.MADE_UP] == "skipped"
    schedule.refresh_from_db()
    assert schedule.next_at == now + timedelta(seconds=30)


def test_a_late_turn_fires_each_due_time_that_is_within_its_grace(scene):
    now = timezone.now().replace(microsecond=0)
    schedule = scene.schedule(now - timedelta(seconds=5), cron="* * * * * *")
    scene.fire(now)
    assert runs(schedule) == [("pending", "")] * 6


def test_a_schedule_that_is_not_to_overlap_waits_for_its_last_run_to_finish(scene):
    schedule = scene.schedule(ago(seconds=2), overlap="skip")
    beside = scene.schedule(ago(seconds=2))
    scene.fire()
    Schedule.objects.update(next_at=ago(seconds=1))
    scene.fire()
    assert runs(schedule) == [("pending", ""), ("skipped", firing.BUSY)]
    assert [run.overlapped for run in beside.runs.order_by("due_at")] == [False, True]

    Run.objects.filter(state="pending").update(state="ok")
    Schedule.objects.update(next_at=ago(seconds=0.5))
    scene.fire()
    assert runs(schedule)[-1] == ("pending", "")


def test_nothing_is_fired_while_the_environment_is_frozen_and_each_run_says_so(scene):
    rows.freeze(scene.place, starts_at=ago(hours=1))
    schedule = scene.schedule(ago(seconds=1))
    scene.fire()
    [(state, why)] = runs(schedule)
    assert state == "skipped"
    assert why.startswith("Frozen until")
    assert Command.objects.count() == 0
    schedule.refresh_from_db()
    assert schedule.next_at > timezone.now()


def test_a_one_shot_is_fired_once_and_ends_disabled(scene):
    schedule = scene.schedule(at=(timezone.now() + timedelta(seconds=1)).isoformat())
    scene.fire(timezone.now() + timedelta(seconds=2))
    schedule.refresh_from_db()
    assert runs(schedule) == [("pending", "")]
    assert (schedule.enabled, schedule.next_at, schedule.disabled_reason) == (False, None, dispatch.OVER)
    assert scene.fire(timezone.now() + timedelta(days=1)) == 0


def test_what_was_disabled_until_now_is_enabled_by_itself_whoever_keeps_it(scene):
    mine = scene.schedule()
    theirs = Schedule.objects.create(environment=scene.place, source="celerybeat", key="beat", task="t", enabled=False)
    actions.disable(scene.place, [mine.pk], {"until": (timezone.now() + HOUR).isoformat()}, actor=scene.adam)
    Schedule.objects.filter(pk=theirs.pk).update(disabled_until=timezone.now() + HOUR, disabled_by="olive")
    until.enable()
    assert Schedule.objects.filter(enabled=True).count() == 0

    Schedule.objects.update(disabled_until=ago(seconds=1))
    until.enable()
    until.enable()

    mine.refresh_from_db()
    assert (mine.enabled, mine.disabled_until, mine.disabled_reason) == (True, None, None)
    assert mine.next_at > timezone.now()
    asked = Operation.objects.filter(action="schedule.enable", actor_type="system")
    assert asked.count() == 2
    assert asked.filter(items__target_id=str(theirs.pk)).get().reason == "It was disabled until now by olive."


def test_other_environments_and_other_schedulers_are_left_alone(scene):
    other = scene.schedule(ago(seconds=1))
    Schedule.objects.filter(pk=other.pk).update(environment=scene.cast.staging)
    Schedule.objects.create(environment=scene.place, source="celerybeat", key="beat", next_at=ago(seconds=1))
    assert scene.fire() == 0
    loops.run_once()
    assert [run.environment_id for run in Run.objects.all()] == [scene.cast.staging.pk]
