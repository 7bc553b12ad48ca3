"""What worker processes tell about themselves and about the queues they measure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from z4j_core.wire import Kind

from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.fleet import registered, repertoires
from z4j_brain.fleet.models import Depth, Queue, Registered, Repertoire, Worker
from z4j_brain.fleet.registered import Known
from z4j_brain.fleet.verbs import WORKER
from z4j_brain.lib import nudge
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.lib.bulk import EPOCH, MAX_TIME, micros
from z4j_brain.operations import outbox
from z4j_brain.stats import ingest as stats
from z4j_brain.stats.states import Grain

MAX_QUEUES = 100
MAX_RUNNING = 200
MAX_COUNT = 2**63 - 1
#: Queues of one environment; what comes after that is not kept.
MOST_QUEUES = 2_000
#: A queue that nobody has measured for so long is forgotten.
QUEUES_KEPT = timedelta(days=30)
#: A worker that was not heard for so long is forgotten; so is a name that none has told again.
WORKERS_KEPT, NAMES_KEPT = timedelta(days=7), timedelta(days=30)
#: For how long it is known what waited in a queue.
DEPTHS_KEPT = timedelta(days=8)
#: Names of one engine in one environment; what comes after that is not kept.
MOST_NAMES = 2_000
#: Rows that one run of `prune` takes of each kind.
PRUNED = 1_000
_COUNTS = ("delayed", "in_flight", "dead", "consumers")
_MEASURED = ("agent", "depth", *_COUNTS, "oldest_at", "exact", "measured_at")


def apply(agent: Agent, events: Iterable[ParsedEvent]) -> None:
    """Bring workers and queues up to date, in the order in which the agent spoke of them."""
    measured: dict[tuple[str, str], Queue] = {}
    known: dict[str, dict[str, Known]] = {}
    for parsed in sorted(events, key=lambda parsed: parsed.seq):
        event = parsed.event
        if event["kind"] == Kind.QUEUE_SNAPSHOT:
            measured[event["engine"], event["queue"]] = _measured(agent, event)
            continue
        worker = _apply(agent, event)
        if event["kind"] == Kind.WORKER_ONLINE:
            told = list(registered.read((event.get("data") or {}).get("tasks")))
            known.setdefault(event["engine"], {}).update((one.name, one) for one in told)
            if worker is not None:
                learnt = repertoires.columns({one.name for one in told})
                Repertoire.objects.update_or_create(worker=worker, defaults=learnt)
    if measured:
        _put(agent, measured)
    for engine, names in sorted(known.items()):
        _register(agent, engine, names)


def prune(now: datetime | None = None) -> None:
    """Forget queues that nobody measures, workers that are long gone, and names that none of them knows any more."""
    now = now or timezone.now()
    Queue.objects.filter(pk__in=_first(Queue.objects.filter(measured_at__lt=now - QUEUES_KEPT))).delete()
    Worker.objects.filter(pk__in=_first(Worker.objects.filter(heartbeat_at__lt=now - WORKERS_KEPT))).delete()
    Depth.objects.filter(pk__in=_first(Depth.objects.filter(start__lt=_piece(now - DEPTHS_KEPT)))).delete()
    # A worker tells its names as it starts: one that has run since then still knows them.
    runs_on = Worker.objects.filter(
        environment=OuterRef("environment"),
        engine=OuterRef("engine"),
        offline_at=None,
        heartbeat_at__gte=now - SILENT_AFTER,
        started_at__lt=now - NAMES_KEPT,
    )
    old = Registered.objects.filter(~Exists(runs_on), seen_at__lt=now - NAMES_KEPT)
    Registered.objects.filter(pk__in=_first(old)).delete()


def _first(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True)[:PRUNED])


def _register(agent: Agent, engine: str, known: dict[str, Known]) -> None:
    """What a worker says as it starts stands, until another one says otherwise."""
    here = Registered.objects.filter(environment=agent.environment_id, engine=engine)
    before = set(here.filter(name__in=known).values_list("name", flat=True)) if known else set()
    fresh = [name for name in sorted(known) if name not in before]
    room = max(MOST_NAMES - here[:MOST_NAMES].count(), 0) if fresh else 0
    now, kept = timezone.now(), sorted([*before, *fresh[:room]])
    Registered.objects.bulk_create(
        [
            Registered(
                environment_id=agent.environment_id,
                engine=engine,
                name=name,
                params=known[name].params,
                idempotent=known[name].idempotent,
                seen_at=now,
            )
            for name in kept
        ],
        update_conflicts=True,
        unique_fields=["environment", "engine", "name"],
        update_fields=["params", "idempotent", "seen_at"],
    )


def _measured(agent: Agent, event: dict[str, Any]) -> Queue:
    """One measurement. Its time is the brain's when the agent's clock runs ahead."""
    data = event.get("data") or {}
    oldest = _whole(data.get("oldest"), None, MAX_TIME)
    return Queue(
        environment_id=agent.environment_id,
        engine=event["engine"],
        name=event["queue"],
        agent=agent,
        depth=_whole(data.get("depth"), 0, MAX_COUNT) or 0,
        **{name: _whole(data.get(name), None, MAX_COUNT) for name in _COUNTS},
        oldest_at=None if oldest is None else EPOCH + timedelta(microseconds=oldest),
        exact=data.get("exact") is not False,
        measured_at=min(EPOCH + timedelta(microseconds=event["ts"]), timezone.now()),
    )


def _put(agent: Agent, measured: dict[tuple[str, str], Queue]) -> None:
    """Several workers measure one queue, and a spool may be late: the newest measurement stands."""
    here = Queue.objects.filter(environment=agent.environment_id)
    engines, names = {engine for engine, _ in measured}, {name for _, name in measured}
    rows = here.filter(engine__in=engines, name__in=names).values_list("engine", "name", "measured_at")
    newer = {(engine, name): at for engine, name, at in rows if (engine, name) in measured}
    fresh = [row for key, row in sorted(measured.items()) if key not in newer or newer[key] < row.measured_at]
    if any(key not in newer for key in measured) and here[:MOST_QUEUES].count() >= MOST_QUEUES:
        fresh = [row for row in fresh if (row.engine, row.name) in newer]
    if not fresh:
        return  # a nudge without ids would have every page of queues fetched again
    Queue.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["environment", "engine", "name"],
        update_fields=list(_MEASURED),
    )
    Depth.objects.bulk_create(
        [Depth(queue=row, start=_piece(row.measured_at), depth=row.depth) for row in fresh],
        update_conflicts=True,
        unique_fields=["queue", "start"],
        update_fields=["depth"],
    )
    nudge.on_commit(agent.environment_id, "queue", [f"{row.engine}:{row.name}" for row in fresh])


def _piece(moment: datetime) -> int:
    return Grain.FIVE_MINUTES.floor(int(moment.timestamp()))


def _apply(agent: Agent, event: dict[str, Any]) -> Worker | None:
    """The worker, as it is now; None where these are late words of one that has been replaced."""
    worker, _ = Worker.objects.select_for_update().get_or_create(
        environment_id=agent.environment_id, engine=event["engine"], name=event["worker"]
    )
    data = event.get("data") or {}
    if _is_past(worker, agent, data):
        return None
    ended = event["kind"] == Kind.WORKER_OFFLINE or _begins_anew(worker, data)
    if event["kind"] == Kind.WORKER_OFFLINE:
        worker.offline_at = timezone.now()
        worker.running = []
    else:
        before = worker.code
        _describe(worker, agent, data)
        if worker.code and worker.code != before:
            stats.deployed(worker.environment_id, worker.engine, worker.code, worker.started_at)
    worker.save()
    if ended:
        outbox.confirm(agent.environment_id, WORKER, {worker.pk: outbox.ENDED})
    nudge.on_commit(agent.environment_id, "worker", [str(worker.pk)])
    return worker


def _is_past(worker: Worker, agent: Agent, data: dict[str, Any]) -> bool:
    """Does this come from a process that another of the same name has replaced since? Its last words come late."""
    if worker.agent_id in (None, agent.pk):
        return False
    started, known = data.get("started"), micros(worker.started_at)
    if known is None:
        return False
    return not isinstance(started, int) or started < known


def _begins_anew(worker: Worker, data: dict[str, Any]) -> bool:
    """Another process under the name of one that never said that it ended."""
    started, known = data.get("started"), micros(worker.started_at)
    return known is not None and isinstance(started, int) and started > known


def _describe(worker: Worker, agent: Agent, data: dict[str, Any]) -> None:
    if worker.agent_id not in (None, agent.pk):
        outbox.readdress(worker.agent_id, agent)
    worker.agent = agent
    worker.host = _text(data.get("host"), 255) or worker.host
    worker.engine_version = _text(data.get("version"), 64) or worker.engine_version
    worker.pid = _whole(data.get("pid"), worker.pid)
    worker.queues = [_text(queue, 255) for queue in _list(data.get("queues"))[:MAX_QUEUES]]
    worker.concurrency = _concurrency(data.get("concurrency"))
    worker.running = [_running(entry) for entry in _list(data.get("running"))[:MAX_RUNNING] if isinstance(entry, dict)]
    worker.facts = _facts(data)
    started = _whole(data.get("started"), None, MAX_TIME)
    worker.started_at = worker.started_at if started is None else EPOCH + timedelta(microseconds=started)
    worker.heartbeat_at = timezone.now()
    worker.offline_at = None


def _facts(data: dict[str, Any]) -> dict[str, Any]:
    """What there is no column for: the release of the user's code, memory in bytes, queues it does not take from."""
    paused = [_text(queue, 255) for queue in _list(data.get("paused"))[:MAX_QUEUES]]
    facts = {"code": _text(data.get("code"), 64), "rss": _whole(data.get("rss"), None, MAX_COUNT), "paused": paused}
    return {name: value for name, value in facts.items() if value}


def _concurrency(value: Any) -> dict[str, Any]:
    value = value if isinstance(value, dict) else {}
    return {"kind": _text(value.get("kind"), 32), "size": _whole(value.get("size"), 0)}


def _running(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "task_id": _text(entry.get("task_id"), 255),
        "name": _text(entry.get("name"), 512),
        "started": _whole(entry.get("started"), None, MAX_TIME),
    }


def _whole(value: Any, default: int | None, most: int = 2**31 - 1) -> int | None:
    return value if type(value) is int and 0 <= value <= most else default


def _text(value: Any, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
