"""What worker processes tell about themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone
from z4j_core.wire import Kind

from z4j_brain.agents.models import Agent
from z4j_brain.fleet.models import Worker
from z4j_brain.lib import nudge
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.lib.bulk import EPOCH, MAX_TIME, micros

MAX_QUEUES = 100
MAX_RUNNING = 200


def apply(agent: Agent, events: Iterable[ParsedEvent]) -> None:
    """Bring the workers up to date, in the order in which the agent spoke of them."""
    for parsed in sorted(events, key=lambda parsed: parsed.seq):
        _apply(agent, parsed.event)


def _apply(agent: Agent, event: dict[str, Any]) -> None:
    worker, _ = Worker.objects.select_for_update().get_or_create(
        environment_id=agent.environment_id, engine=event["engine"], name=event["worker"]
    )
    data = event.get("data") or {}
    if _is_past(worker, agent, data):
        return
    if event["kind"] == Kind.WORKER_OFFLINE:
        worker.offline_at = timezone.now()
        worker.running = []
    else:
        _describe(worker, agent, data)
    worker.save()
    nudge.on_commit(agent.environment_id, "worker", [str(worker.pk)])


def _is_past(worker: Worker, agent: Agent, data: dict[str, Any]) -> bool:
    """Does this come from a process that another of the same name has replaced since? Its last words come late."""
    if worker.agent_id in (None, agent.pk):
        return False
    started, known = data.get("started"), micros(worker.started_at)
    if known is None:
        return False
    return not isinstance(started, int) or started < known


def _describe(worker: Worker, agent: Agent, data: dict[str, Any]) -> None:
    worker.agent = agent
    worker.host = _text(data.get("host"), 255) or worker.host
    worker.engine_version = _text(data.get("version"), 64) or worker.engine_version
    worker.pid = _whole(data.get("pid"), worker.pid)
    worker.queues = [_text(queue, 255) for queue in _list(data.get("queues"))[:MAX_QUEUES]]
    worker.concurrency = _concurrency(data.get("concurrency"))
    worker.running = [_running(entry) for entry in _list(data.get("running"))[:MAX_RUNNING] if isinstance(entry, dict)]
    started = _whole(data.get("started"), None, MAX_TIME)
    worker.started_at = worker.started_at if started is None else EPOCH + timedelta(microseconds=started)
    worker.heartbeat_at = timezone.now()
    worker.offline_at = None


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
