"""What agents say of schedulers and schedules, for tests that stand where an agent stands."""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime, timedelta
from typing import Any

from tests import wire as sent
from z4j_brain.agents.models import AgentKey
from z4j_brain.lib.bulk import EPOCH
from z4j_brain.tasks.ingest import ingest

SOURCE, KEY = "celerybeat", "nightly"
SECOND = 1_000_000
MINUTE = 60 * SECOND
#: A Monday at noon, UTC, long ago: microseconds.
NOON = 1_736_164_800 * SECOND
_firsts = itertools.count(1, 1_000)


def give(key: AgentKey, *events: dict[str, Any], boot: uuid.UUID = sent.BOOT) -> Any:
    """Hand the brain one batch, with the sequence numbers that come next."""
    first = next(_firsts)
    numbered = [{**event, "seq": first + at} for at, event in enumerate(events)]
    return ingest(key, sent.parsed(*numbered, boot=boot))


def event(kind: str, ts: int, key: str = KEY, **more: Any) -> dict[str, Any]:
    return {"seq": 0, "kind": kind, "ts": ts, "engine": SOURCE, **({"schedule": key} if key else {}), **more}


def told(ts: int = NOON, key: str = KEY, **facts: Any) -> dict[str, Any]:
    """Each hour at the hour, unless told otherwise."""
    usual = {
        "task": "shop.report",
        "engine": "celery",
        "plan": "cron",
        "text": "crontab(minute=0)",
        "cron": "0 * * * *",
        "zone": "UTC",
        "enabled": True,
        "definition": "code",
    }
    return event("schedule.told", ts, key, data=usual | facts)


def fired(ts: int, task_id: str, key: str = KEY, **data: Any) -> dict[str, Any]:
    return event("schedule.fired", ts, key, task_id=task_id, data={"engine": "celery", **data})


def skipped(ts: int, due: int, why: str = "overlap", key: str = KEY) -> dict[str, Any]:
    return event("schedule.skipped", ts, key, data={"due": due, "why": why})


def gone(ts: int, key: str = KEY) -> dict[str, Any]:
    return event("schedule.gone", ts, key)


def listed(began: int, count: int = 1) -> dict[str, Any]:
    return event("schedule.listed", began + SECOND, "", data={"count": count, "began": began})


def tick(at: int, name: str = "beat@box-1", **data: Any) -> dict[str, Any]:
    return event("scheduler.heartbeat", at, "", worker=name, data={"tick": at, **data})


def task(kind: str, ts: int, task_id: str, key: str = KEY, **more: Any) -> dict[str, Any]:
    """Of the task that a schedule sent: enqueued, started, succeeded, failed."""
    run = {} if kind == "enqueued" else {"run": more.pop("run", ts)}
    return {
        "seq": 0,
        "kind": f"task.{kind}",
        "ts": ts,
        "engine": "celery",
        "task_id": task_id,
        "attempt": 0,
        "schedule": key,
        **run,
        **more,
    }


def at(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
