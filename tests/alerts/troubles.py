"""Trouble of each kind in an environment, made of what agents tell or of rows as they leave them; and its end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests import rows
from tests import wire as sent
from tests.cast import Cast
from tests.schedules import stage
from z4j_brain.agents.models import Agent
from z4j_brain.fleet.models import Worker
from z4j_brain.ledger.models import Standing
from z4j_brain.schedules.models import Run
from z4j_brain.tasks.ingest import ingest

#: Makes the trouble, and returns what ends it.
Trouble = Callable[[Cast], Callable[[], Any]]


def tasks(cast: Cast, state: str, count: int, first: int = 1, **more: Any) -> None:
    """As an agent tells of them: they began and ended just now, with an argument that nobody else is to see."""
    now = sent.now()
    base = {"queue": "mail", "name": "shop.pay", "args": "'secret-argument'", "run": now - 1000, **more}
    events = []
    for number in range(first, first + count):
        told = base | {"task_id": f"t{number}"}
        events.append(sent.event(2 * number, "task.started", **{**told, "ts": now - 1000}))
        events.append(sent.event(2 * number + 1, f"task.{state}", **{**told, "ts": now}))
    ingest(cast.agent_key(), sent.parsed(*events, boot=uuid.uuid4()))


def many_fail(cast: Cast) -> Callable[[], Any]:
    tasks(cast, "failed", 8)
    tasks(cast, "succeeded", 12, first=20)
    return lambda: tasks(cast, "succeeded", 200, first=100)


def does_not_run(cast: Cast) -> Callable[[], Any]:
    long_ago = timezone.now() - timedelta(hours=3)
    rows.task(cast.production, name="shop.pay", state="succeeded", started_at=long_ago, finished_at=long_ago)
    return lambda: tasks(cast, "succeeded", 1)


def _measured(cast: Cast, depth: int, age: int = 0) -> None:
    now = sent.now()
    data = {"name": "mail", "depth": depth, "oldest": now - age * 60_000_000}
    told = {"seq": 1, "kind": "queue.snapshot", "ts": now, "engine": "celery", "queue": "mail", "data": data}
    ingest(cast.agent_key(), sent.parsed(told, boot=uuid.uuid4()))


def is_long(cast: Cast) -> Callable[[], Any]:
    _measured(cast, 500)
    return lambda: _measured(cast, 3)


def waits_for_long(cast: Cast) -> Callable[[], Any]:
    _measured(cast, 5, age=30)
    return lambda: _measured(cast, 5)


def starts_late(cast: Cast) -> Callable[[], Any]:
    """They were sent a minute before they began."""

    def sent_before(seconds: int, count: int, first: int) -> None:
        now = sent.now()
        events = []
        for number in range(first, first + count):
            told = {"queue": "mail", "name": "shop.pay", "task_id": f"t{number}"}
            begun = now - 1000
            asked = begun - seconds * 1_000_000
            events.append(sent.event(3 * number, "task.enqueued", **told, ts=asked))
            events.append(sent.event(3 * number + 1, "task.started", **told, run=begun, ts=begun))
            events.append(sent.event(3 * number + 2, "task.succeeded", **told, run=begun, ts=now))
        for start in range(0, len(events), 300):
            ingest(cast.agent_key(), sent.parsed(*events[start : start + 300], boot=uuid.uuid4()))

    sent_before(60, 10, 1)
    return lambda: sent_before(0, 300, 100)


def falls_silent(cast: Cast) -> Callable[[], Any]:
    silent = timezone.now() - timedelta(minutes=5)
    worker = rows.worker(cast.production, heartbeat_at=silent, running=["t1"])
    rows.worker(cast.production, name="said-goodbye", heartbeat_at=silent, offline_at=silent)
    return lambda: Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now())


def misses(cast: Cast) -> Callable[[], Any]:
    schedule = stage.schedule(cast.production)
    run = {"environment": cast.production, "schedule": schedule}
    ago = timezone.now() - timedelta(hours=1)
    Run.objects.create(**run, moment=ago, due_at=ago, state="missed")
    return lambda: Run.objects.create(**run, moment=timezone.now(), due_at=timezone.now(), state="ok")


def drops(cast: Cast) -> Callable[[], Any]:
    agent = rows.agent(cast.production, counters={"dropped": {"full": 7}})
    return lambda: Agent.objects.filter(pk=agent.pk).update(left_at=timezone.now())


def is_rolled_back(cast: Cast) -> Callable[[], Any]:
    Standing.objects.update_or_create(pk=1, defaults={"state": "rollback", "reason": "x", "since": timezone.now()})
    return Standing.objects.filter(pk=1).delete


TROUBLES: dict[str, tuple[dict[str, Any], Trouble]] = {
    "failure_rate": ({"percent": 30, "minutes": 60, "least": 10, "queue": "mail"}, many_fail),
    "absence": ({"task": "shop.pay", "minutes": 60}, does_not_run),
    "queue_depth": ({"depth": 100}, is_long),
    "queue_age": ({"minutes": 10, "queue": "mail"}, waits_for_long),
    "wait_time": ({"seconds": 30, "minutes": 15, "least": 10, "queue": "mail"}, starts_late),
    "worker_gone": ({"minutes": 2, "name": "mail-*"}, falls_silent),
    "schedule_missed": ({}, misses),
    "agent_drops": ({"events": 5}, drops),
    "audit_health": ({}, is_rolled_back),
}
