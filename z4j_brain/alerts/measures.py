"""What each kind of rule finds in an environment now, in the numbers that its pages show.

Only housekeeping and dry runs ask, behind a decision; nothing here reads more than a bounded number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from django.utils import translation

from z4j_brain.agents import queries as agents
from z4j_brain.alerts.states import Kind
from z4j_brain.audit import anchors, streams
from z4j_brain.audit.states import Arrival
from z4j_brain.fleet import findings
from z4j_brain.fleet import queries as fleet
from z4j_brain.fleet.models import STALE_AFTER, Queue
from z4j_brain.ledger import health
from z4j_brain.ledger.states import LogState
from z4j_brain.lib import nouns
from z4j_brain.lib.words import duration, number, percent
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules import view as schedules
from z4j_brain.schedules.states import RunState
from z4j_brain.stats import queries as stats
from z4j_brain.stats.spans import Span
from z4j_brain.stats.states import Grain
from z4j_brain.tasks.models import Task

#: What one rule finds at most, and the rows it looks at for that.
MOST, LOOKED_AT = 100, 1_000
#: The newest tasks of a name among which a run is looked for.
NEWEST = 200

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is the matter: on what, in a sentence, and in numbers. Nothing of it is a task's argument."""

    subject: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def of(
    kind: str, place: Environment, settings: Settings, now: datetime, since: datetime | None = None
) -> list[Trouble]:
    """What a rule of this kind finds, in English. `since`: when it began to watch; None: long ago."""
    with translation.override("en"):
        return list(islice(_MEASURES[Kind(kind)](place, settings, now, since), MOST))


def _failure_rate(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    span = Span.whole(now - timedelta(minutes=settings["minutes"]), now)
    if task := settings["task"]:
        span = span.hourly
    totals = stats.whole(place.pk, span, queue=settings["queue"] or None, name=task or None)
    if totals.ended < settings["least"] or (totals.failure_rate or 0) * 100 < settings["percent"]:
        return
    what = task or (f"tasks of {settings['queue']}" if settings["queue"] else "tasks")
    told = f"{percent(totals.failure_rate)} of {what} failed: {number(totals.failed)} of "
    told += f"{number(totals.ended)} that ended since {span.since:%H:%M UTC}."
    facts = {"failed": totals.failed, "ended": totals.ended, "since": span.since.isoformat()}
    yield Trouble(task or settings["queue"], told, facts | {"percent": round((totals.failure_rate or 0) * 100, 2)})


def _absence(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    begin = now - timedelta(minutes=settings["minutes"])
    if since is not None and since > begin:
        return
    task = settings["task"]
    last = _last_run(place, task)
    if (last is not None and last >= begin) or _ended_since(place, task, begin, now):
        return
    when = f"for {duration(now - last)}" if last else "as far as anybody remembers"
    facts = {"last_at": last.isoformat() if last else None, "minutes": settings["minutes"]}
    yield Trouble(task, f"{task} has not run {when}.", facts)


def _last_run(place: Environment, name: str) -> datetime | None:
    """When one of the newest tasks of this name last began or ended."""
    rows = Task.objects.filter(environment=place, name=name).order_by("-id")
    runs = rows.values_list("started_at", "finished_at", "state")[:NEWEST]
    times = [started or (finished if state == "succeeded" else None) for started, finished, state in runs]
    return max((time for time in times if time), default=None)


def _ended_since(place: Environment, name: str, begin: datetime, now: datetime) -> bool:
    """Did one end in a whole hour since? Where many newer ones wait, the newest say nothing of those that run."""
    hour = int(Grain.HOUR)
    first = -(-int(begin.timestamp()) // hour) * hour
    span = Span(first, int(now.timestamp()) // hour * hour + hour, Grain.HOUR)
    return bool(first < span.end and stats.whole(place.pk, span, name=name).ended)


def _queues(place: Environment, settings: Settings, now: datetime) -> list[Queue]:
    """Those of which a number is known now."""
    rows = fleet.queues(SYSTEM, place).filter(measured_at__gte=now - STALE_AFTER, depth__gt=0)
    if settings["queue"]:
        rows = rows.filter(name=settings["queue"])
    return list(rows.order_by("-depth", "name")[:LOOKED_AT])


def _queue_depth(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    for queue in _queues(place, settings, now):
        if queue.depth >= settings["depth"]:
            facts = {"queue": queue.name, "engine": queue.engine, "depth": queue.depth}
            yield Trouble(_named(queue), f"{nouns.tasks(queue.depth)} wait in {queue.name}.", facts)


def _queue_age(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    for queue in _queues(place, settings, now):
        if queue.oldest_at is not None and now - queue.oldest_at >= timedelta(minutes=settings["minutes"]):
            facts = {"queue": queue.name, "engine": queue.engine, "oldest_at": queue.oldest_at.isoformat()}
            text = f"The oldest task in {queue.name} has waited for {duration(now - queue.oldest_at)}."
            yield Trouble(_named(queue), text, facts | {"depth": queue.depth})


def _wait_time(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    span = Span.whole(now - timedelta(minutes=settings["minutes"]), now)
    for queue in stats.by_queue(place.pk, span, queue=settings["queue"] or None).groups:
        p95 = queue.totals.wait_ms.p95
        if p95 is None or queue.totals.ended < settings["least"] or p95 < settings["seconds"] * 1000:
            continue
        text = f"5 of 100 tasks in {queue.key} waited for {duration(timedelta(milliseconds=p95))} or longer, among "
        text += f"{number(queue.totals.ended)} that ended since {span.since:%H:%M UTC}."
        facts = {"queue": queue.key, "engine": queue.engine, "p95_ms": round(p95), "ended": queue.totals.ended}
        yield Trouble(f"{queue.engine}/{queue.key}"[:255], text, facts | {"since": span.since.isoformat()})


def _worker_gone(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    """As the doctor says it: silent without a goodbye, and not for so long that it is no news any more."""
    silent = now - timedelta(minutes=settings["minutes"])
    rows = fleet.workers(SYSTEM, place).filter(offline_at=None, heartbeat_at__gte=now - fleet.RECENT)
    for worker in rows.filter(heartbeat_at__lt=silent).order_by("engine", "name")[:LOOKED_AT]:
        if settings["name"] and not fnmatchcase(worker.name, settings["name"]):
            continue
        running = len(worker.running)
        text = f"{worker.name} has not been heard for {duration(now - worker.heartbeat_at)} and said no goodbye"
        text += f"; it ran {nouns.tasks(running)}." if running else "."
        facts = {"worker": worker.name, "engine": worker.engine, "host": worker.host, "running": running}
        heard = {"heard_at": worker.heartbeat_at.isoformat()}
        yield Trouble(f"{worker.engine}/{worker.name}"[:255], text, facts | heard)


def _schedule_missed(
    place: Environment, settings: Settings, now: datetime, since: datetime | None
) -> Iterator[Trouble]:
    wrong = {RunState.MISSED, RunState.REPORTED} | ({RunState.FAILED} if settings["failed"] else set())
    for one in schedules.troubled(SYSTEM, place, LOOKED_AT):
        told: Any = one
        if told.last_state in wrong and settings["schedule"] in ("", one.key):
            state = RunState(told.last_state)
            facts = {"schedule": one.key, "source": one.source, "run": state.value}
            text = (
                f"{one.key} did not run as it should at {told.last_moment:%H:%M UTC on %d %b}: {state.label.lower()}."
            )
            yield Trouble(f"{one.source}/{one.key}"[:255], text, facts | {"due_at": told.last_moment.isoformat()})


def _agent_drops(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    for agent in agents.answering(place).order_by("name", "pk")[:LOOKED_AT]:
        count = findings.dropped(agent)
        if count >= settings["events"]:
            text = f"{agent.name} on {agent.host} has dropped {nouns.events(count)} since it began."
            facts = {"agent": agent.name, "host": agent.host, "dropped": count}
            yield Trouble(str(agent.pk), text, facts)


def _audit_health(place: Environment, settings: Settings, now: datetime, since: datetime | None) -> Iterator[Trouble]:
    log = health.health()
    if log.state != LogState.SEALING:
        facts = {"state": log.state.value, "unsealed": log.unsealed}
        yield Trouble("log", f"The audit log: {log.state.label}.", facts)
    if settings["outlets"]:
        arrivals = [*(one.arrival for one in anchors.held()), *(one.arrival for one in streams.flows())]
        late = arrivals.count(Arrival.LATE)
        if late:
            text = f"{nouns.outlets(late)} of the audit log {'is' if late == 1 else 'are'} late."
            yield Trouble("outlets", text, {"late": late})


def _named(queue: Queue) -> str:
    return f"{queue.engine}/{queue.name}"[:255]


_MEASURES: Mapping[Kind, Callable[[Environment, Settings, datetime, datetime | None], Iterator[Trouble]]] = {
    Kind.FAILURE_RATE: _failure_rate,
    Kind.ABSENCE: _absence,
    Kind.QUEUE_DEPTH: _queue_depth,
    Kind.QUEUE_AGE: _queue_age,
    Kind.WAIT_TIME: _wait_time,
    Kind.WORKER_GONE: _worker_gone,
    Kind.SCHEDULE_MISSED: _schedule_missed,
    Kind.AGENT_DROPS: _agent_drops,
    Kind.AUDIT_HEALTH: _audit_health,
}
