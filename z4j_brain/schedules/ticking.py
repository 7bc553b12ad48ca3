"""The processes in which schedulers run: which there are, and from when until when each of them ticked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from z4j_brain.agents.models import Agent
from z4j_brain.lib import nudge
from z4j_brain.lib.bulk import EPOCH, MAX_TIME, micros
from z4j_brain.schedules.models import Scheduler
from z4j_brain.schedules.states import OWN
from z4j_brain.schedules.told import text, whole

#: Schedulers of one environment; what comes after that is not kept.
MOST = 500
#: Stretches of time that are remembered of one.
SPANS = 50
_FIELDS = ["engine", "agent", "tick_at", "heard_at", "every_us", "version", "host", "pid", "spans"]
_YEAR_US = 366 * 86_400 * 1_000_000


def take(environment_id: int, ticks: Sequence[tuple[Agent, Mapping[str, Any]]]) -> None:
    """Bring them up to date. Within the caller's transaction."""
    wanted = {(event["engine"], event["worker"]) for _, event in ticks if event["engine"] != OWN}
    rows = _locked(environment_id, wanted)
    for agent, event in ticks:
        if scheduler := rows.get((event["engine"], event["worker"])):
            _tick(scheduler, agent, event.get("data") or {})
    Scheduler.objects.bulk_update(rows.values(), _FIELDS)
    nudge.on_commit(environment_id, "scheduler", [str(scheduler.pk) for scheduler in rows.values()])


def alive_at(schedulers: Iterable[Scheduler], moment: datetime) -> bool:
    """Did one of these tick before this moment and after it, without a break?"""
    at = micros(moment) or 0
    return any(begun <= at < last for scheduler in schedulers for begun, last in scheduler.spans)


def _locked(environment_id: int, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Scheduler]:
    here = Scheduler.objects.filter(environment=environment_id)
    named = {
        "source__in": {source for source, _ in wanted},
        "name__in": {name for _, name in wanted},
    }
    known = set(here.filter(**named).values_list("source", "name"))
    new = sorted(wanted - known)
    if new:
        room = max(MOST - here[:MOST].count(), 0)
        fresh = [
            Scheduler(environment_id=environment_id, source=source, name=name, tick_at=EPOCH) for source, name in new
        ]
        Scheduler.objects.bulk_create(fresh[:room], ignore_conflicts=True)
    rows = here.filter(**named).select_for_update().order_by("pk")
    return {(row.source, row.name): row for row in rows if (row.source, row.name) in wanted}


def _tick(scheduler: Scheduler, agent: Agent, data: Mapping[str, Any]) -> None:
    now = timezone.now()
    at = whole(data.get("tick"), MAX_TIME)
    if at is None:
        return
    at = min(at, micros(now) or 0)
    tick_at = EPOCH + timedelta(microseconds=at)
    if tick_at >= scheduler.tick_at:
        scheduler.tick_at, scheduler.agent = tick_at, agent
        scheduler.every_us = whole(data.get("every"), _YEAR_US)
        scheduler.version = text(data.get("version"), 64)
        scheduler.host = text(data.get("host"), 255) or agent.host
        scheduler.pid = whole(data.get("pid"), 2**31 - 1)
    scheduler.heard_at = max(scheduler.heard_at, now)
    scheduler.spans = _joined(scheduler.spans, at, scheduler.patience // timedelta(microseconds=1))


def _joined(spans: list[list[int]], at: int, patience: int) -> list[list[int]]:
    """The stretches with one more moment: those that are no further apart than `patience` are one."""
    joined: list[list[int]] = []
    for begun, last in sorted([*spans, [at, at]]):
        if joined and begun - joined[-1][1] <= patience:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([begun, last])
    return joined[-SPANS:]
