"""What is past its days goes, by kind and environment; nothing else does, and nothing goes twice."""

from __future__ import annotations

import io
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Model

from tests import rows
from tests import wire as sent
from tests.cast import Cast
from z4j_brain.agents.models import Quarantined
from z4j_brain.housekeeping import retention
from z4j_brain.lib import bulk
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.rbac import queries
from z4j_brain.rbac.actions import configure_environment
from z4j_brain.rbac.models import Environment, Sweep
from z4j_brain.rbac.retention import KINDS, due, stock
from z4j_brain.schedules import ingest as schedules
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.tasks import partitions, textindex
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Event, Task

DAYS = {"tasks_days": 6, "events_days": 3, "rollups_days": 8, "operations_days": 5}
KEPT: list[type[Model]] = [Task, Event, Quarantined, ByQueue, ByName, Operation, Run]


def ago(days: int) -> datetime:
    """A moment of the day so many days ago, at which no test can meet midnight."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days) + timedelta(hours=random.uniform(1, 23))


def furnish(environment: Environment, days: int, agent: Any) -> None:
    """Ten days of everything, the oldest first: it arrives as time goes by."""
    at = ago(days)
    task = rows.task(environment, first_at=at, last_at=at, state="succeeded")
    rows.event(task, agent, "task.succeeded", at)
    Quarantined.objects.create(agent=agent, seq=days, code="poison", size=1, digest="", received_at=at)
    start = int(at.timestamp()) // 300 * 300
    for model, label in ((ByQueue, "queue"), (ByName, "name")):
        model.objects.create(environment=environment, grain=300, start=start, engine="e", **{label: "l"}, arrived=1)
    operation = rows.operation(environment, [task], state="succeeded", created_at=at)
    schedule, _ = Schedule.objects.get_or_create(environment=environment, source="beat", key="nightly")
    Run.objects.create(environment=environment, schedule=schedule, moment=at, due_at=at, operation=operation)


def make_days() -> None:
    """On PostgreSQL: a partition for most of the days there were; the others' events lie in the default one."""
    if bulk.on_postgres():
        with connection.cursor() as cursor:
            for days in (*range(1, 5), 8, 10):
                cursor.execute(partitions.definition(ago(days).date()))


@pytest.fixture
def cast(db) -> Cast:
    make_days()
    cast = Cast.create()
    Environment.objects.filter(pk=cast.production.pk).update(**DAYS)
    agents = {place.pk: rows.agent(place) for place in (cast.production, cast.island)}
    for days in reversed(range(12)):
        for place in (cast.production, cast.island):
            furnish(place, days, agents[place.pk])
    retention.prepare()
    return cast


def sweep(environment: Environment) -> dict[str, int]:
    """Everything that is due, now; how much of each kind has gone."""
    gone = {kind: [*retention.sweep_now(environment, kind)][-1] for kind in KINDS}
    return {kind: count for kind, count in gone.items() if count}


def left(environment: Environment) -> dict[str, int]:
    paths = {Quarantined: "agent__environment"}
    return {
        model.__name__: model._base_manager.filter(**{paths.get(model, "environment"): environment}).count()
        for model in KEPT
    }


def refreshed(environment: Environment) -> Environment:
    return Environment.objects.select_related("project").get(pk=environment.pk)


def test_exactly_what_is_past_its_days_goes_as_the_dry_run_said(cast):
    production = refreshed(cast.production)
    said = {kind: count.number for kind, count in due(production).items()}

    gone = sweep(production)

    assert gone == said
    assert left(production) == {
        "Task": 7,
        "Event": 4,
        "Quarantined": 4,
        "ByQueue": 9,
        "ByName": 9,
        "Operation": 6,
        "Run": 7,
    }
    assert set(left(cast.island).values()) == {12}
    assert Item.objects.filter(operation__environment=production).count() == 6
    assert due(production) == {} == sweep(production)


def test_a_schedule_that_is_gone_for_thirty_days_is_forgotten_with_its_runs(cast):
    Schedule.objects.filter(environment=cast.production).update(gone_at=ago(31))
    Schedule.objects.filter(environment=cast.island).update(gone_at=ago(29))

    schedules.prune()

    assert [schedule.environment for schedule in Schedule.objects.all()] == [cast.island]
    assert (left(cast.production)["Run"], left(cast.island)["Run"]) == (0, 12)


def test_the_environments_of_one_table_do_not_mind_each_others_days(cast):
    configure_environment(cast.island, {"events_days": 9}, actor=cast.actor("stan"))

    assert sweep(refreshed(cast.production))["events"] == 8
    assert sweep(refreshed(cast.island)) == {"events": 2, "quarantined": 2}

    assert (left(cast.production)["Event"], left(cast.island)["Event"]) == (4, 10)
    assert Event.objects.order_by("received_at").first().environment == cast.island


def test_days_that_nobody_keeps_any_more_go_whole_and_are_counted_for_each(cast):
    Environment.objects.exclude(pk=cast.production.pk).update(events_days=2, tasks_days=4)

    for place in (cast.production, cast.island):
        sweep(refreshed(place))

    counted = Sweep.objects.filter(kind="events").values_list("environment", "removed")
    assert dict(counted) == {cast.production.pk: 8, cast.island.pk: 9, cast.staging.pk: 0}
    assert (left(cast.production)["Event"], left(cast.island)["Event"]) == (4, 3)
    if bulk.on_postgres():
        days = set(partitions._days())
        assert {ago(2).date(), ago(0).date()} <= days and not {ago(4).date(), ago(10).date()} & days


def test_a_task_stays_while_it_is_still_heard_of_or_waits_for_its_time(cast):
    production = refreshed(cast.production)
    old = {"first_at": ago(9), "last_at": ago(9), "state": "scheduled"}
    waiting = rows.task(production, eta=ago(-3), **old)
    late = rows.task(production, **old)  # by the agent's clock; what it sent has only just come
    rows.event(late, rows.agent(production), "task.enqueued", ago(0))
    over = rows.task(production, eta=ago(8), **old)

    sweep(production)

    assert {waiting.pk, late.pk} <= set(Task.objects.values_list("pk", flat=True))
    assert not Task.objects.filter(pk=over.pk).exists()


def test_an_operation_that_has_not_ended_stays_with_its_commands(cast):
    production = refreshed(cast.production)
    task = Task.objects.filter(environment=production).last()
    running = rows.operation(production, [task], state="running", created_at=ago(11))
    command = Command.objects.create(
        operation=running, environment=production, engine="e", verb="retry", expires_at=ago(0)
    )

    sweep(production)
    assert Command.objects.filter(pk=command.pk).exists()
    Operation.objects.filter(pk=running.pk).update(state="failed")
    sweep(production)

    assert not Operation.objects.filter(pk=running.pk).exists()
    assert not Command.objects.exists()


def test_housekeeping_goes_on_where_it_stopped(cast, monkeypatch):
    """A turn that has time for one piece only; the pieces are small, and in between the sweep is nobody's."""
    production = refreshed(cast.production)
    monkeypatch.setattr(retention, "TURN", 0.0)
    monkeypatch.setattr(retention, "SIZE", 2)
    monkeypatch.setattr(retention, "SIZE_ON_SQLITE", 2)
    counts = [*retention.sweep_now(production, "tasks")]

    assert counts == sorted(counts)
    assert (counts[-1], len(counts) > 3) == (5, True)
    assert left(production)["Task"] == 7
    done = Sweep.objects.get(environment=production, kind="tasks")
    assert (done.is_running, done.removed, done.leased_until) == (False, 5, None)
    low = int(done.low)
    assert not Task.objects.filter(environment=production, pk__lte=low).exists()
    assert sweep(production).get("tasks") is None


def test_the_words_of_tasks_go_with_them(cast):
    production = refreshed(cast.production)
    words = {"error_type": "ValueError", "error_message": "no relay"}
    tasks = Task.objects.filter(environment=production)
    textindex.store(production.pk, dict.fromkeys(tasks.values_list("pk", flat=True), words), {}, textindex.ERRORS)

    sweep(production)

    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM tasks_words")
        assert cursor.fetchone()[0] == tasks.count() == 7


def test_it_is_known_since_when_events_tell_the_whole(cast):
    queries._kept.clear()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert queries.kept_since(cast.production.pk) == today - timedelta(days=3)
    sweep(refreshed(cast.production))

    configure_environment(cast.production, {"events_days": 6}, actor=cast.actor("olive"))
    queries._kept.clear()

    assert queries.kept_since(cast.production.pk) == today - timedelta(days=3)  # the older ones are gone all the same


def test_a_late_event_does_not_make_a_task_anew_from_half_of_its_events(cast):
    key, start = cast.agent_key(), bulk.micros(ago(5))
    told = [
        sent.event(1, "task.enqueued", name="shop.pay", queue="tills", ts=start),
        sent.event(3, "task.succeeded", runtime_ms=12.0, ts=start + 3, run=start + 2),
    ]
    ingest(key, sent.parsed(*told, boot=sent.BOOT))
    late = sent.event(2, "task.started", worker="w-1", ts=start + 2, run=start + 2)
    Event.objects.filter(seq=1, agent__boot=sent.BOOT).delete()

    ingest(key, sent.parsed(late, boot=sent.BOOT))

    task = Task.objects.get(task_id="t1")
    assert (task.name, task.queue, task.state, task.worker) == ("shop.pay", "tills", "succeeded", "")
    assert Event.objects.filter(task=task).count() == 2


def test_a_page_of_settings_knows_what_is_stored_and_what_is_due(cast):
    stocked = {one.kind.name: one for one in stock(refreshed(cast.production), seconds=5)}

    assert {name: (one.stored.number, one.due.number) for name, one in stocked.items()} == {
        "events": (12, 8),
        "tasks": (12, 5),
        "runs": (12, 5),
        "quarantined": (12, 8),
        "rollups_by_queue": (12, 3),
        "rollups_by_name": (12, 3),
        "operations": (12, 6),
    }
    assert stocked["tasks"].oldest.date() == ago(11).date()


def test_statistics_stay_when_the_tasks_they_count_are_gone(cast):
    Environment.objects.filter(pk=cast.production.pk).update(rollups_days=400)
    ingest(cast.agent_key(), sent.parsed(sent.event(1, "task.failed", name="shop.pay"), boot=sent.BOOT))
    before = list(ByName.objects.filter(name="shop.pay").values())
    Event.objects.filter(agent__boot=sent.BOOT).update(received_at=ago(9))

    sweep(refreshed(cast.production))

    assert not Task.objects.filter(name="shop.pay").exists()
    assert list(ByName.objects.filter(name="shop.pay").values()) == before != []


def test_the_command_line_counts_first_and_then_lets_go_of_as_much(cast):
    said, gone = (json.loads(prune("--json", *more)) for more in (["--dry-run"], []))

    assert said == gone
    assert set(gone) == {"harbor/production", "harbor/staging", "island/production"}
    assert gone["harbor/production"]["tasks"] == 5
    assert left(cast.production)["Task"] == 7
    told = prune("--environment", "harbor/production")
    assert told == "harbor/production: nothing is past its days\n"


def prune(*arguments: str) -> str:
    told = io.StringIO()
    call_command("prune", *arguments, stdout=told)
    return told.getvalue()
