"""What agents tell about themselves, and which of their events have arrived."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from z4j_core.wire import Kind

from z4j_brain.agents.models import Agent, AgentKey, Batch
from z4j_brain.lib import nudge
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent

#: How long a repeated batch gets its first answer; after that its events are duplicates one by one.
BATCHES_KEPT = timedelta(days=8)
#: How long an agent stays that has left without ever reporting a task.
IDLE_AGENTS_KEPT = timedelta(days=8)
#: A key's or an agent's last sign of life is written this often at most.
SEEN_EVERY = timedelta(seconds=15)
MAX_ENGINES = 16
MAX_VERBS = 64
#: Problems of an agent, pieces of advice of one engine, and the longest sentence of either.
MAX_ENTRIES = 20
SENTENCE = 400


def enrol(key: AgentKey, batch: ParsedBatch) -> Agent:
    """The agent of this boot, made when new, and locked until the caller's transaction ends."""
    agent, _ = Agent.objects.select_for_update().get_or_create(
        environment_id=key.environment_id,
        boot=batch.boot,
        defaults={
            "key": key,
            "name": batch.sender.name,
            "host": batch.sender.host,
            "pid": batch.sender.pid,
            "role": batch.sender.role,
            "protocol": batch.version,
        },
    )
    return agent


def apply(agent: Agent, events: Iterable[ParsedEvent]) -> None:
    """Bring the agent up to date with what it says of itself, in the order in which it said so. The caller saves it."""
    for parsed in sorted(events, key=lambda parsed: parsed.seq):
        data = parsed.event.get("data") or {}
        match parsed.event["kind"]:
            case Kind.AGENT_ONLINE:
                _introduce(agent, data)
                nudge.wake_on_commit(agent.environment_id)
            case Kind.AGENT_HEARTBEAT:
                agent.counters = _dict(data.get("counters"))
                agent.clock_us = _whole(data.get("clock"))
                agent.left_at = None
            case Kind.AGENT_OFFLINE:
                agent.left_at = timezone.now()
        nudge.on_commit(agent.environment_id, "agent", [str(agent.pk)])


def saw(agent: Agent, key: AgentKey) -> None:
    """Write down that the agent was heard, what it has sent, and with which key."""
    now = timezone.now()
    agent.seen_at = now
    agent.key = key
    agent.save()
    _used(key, now)


def polled(agent_ids: Collection[UUID]) -> None:
    """Write down that these agents are waiting for commands. A late poll does not bring back an agent that has left."""
    now = timezone.now()
    Agent.objects.filter(pk__in=agent_ids, left_at=None, seen_at__lt=now - SEEN_EVERY).update(seen_at=now)


def prune(now: datetime | None = None) -> None:
    """Forget answers nobody will ask for again, and agents that came and went without a task."""
    now = now or timezone.now()
    Batch.objects.filter(pk__in=_some(Batch.objects.filter(received_at__lt=now - BATCHES_KEPT))).delete()
    gone = Q(left_at__lt=now - IDLE_AGENTS_KEPT) | Q(seen_at__lt=now - IDLE_AGENTS_KEPT)
    idle = Agent.objects.filter(gone, events=None, addressed=None, leased=None, late=None, workers=None)
    Agent.objects.filter(pk__in=_some(idle)).delete()


def _some(rows: Any) -> list[Any]:
    """At most a thousand keys: a transaction of housekeeping stays short."""
    return list(rows.values_list("pk", flat=True)[:1000])


def _used(key: AgentKey, now: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - SEEN_EVERY)
    if key.last_used_at is None or key.last_used_at < now - SEEN_EVERY:
        AgentKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now


def _introduce(agent: Agent, data: dict[str, Any]) -> None:
    entries = [entry for entry in _list(data.get("engines")) if isinstance(entry, dict)]
    agent.engines = [_engine(entry) for entry in entries[:MAX_ENGINES]]
    versions = _dict(data.get("versions"))
    agent.versions = {str(name)[:64]: str(version)[:64] for name, version in versions.items()}
    agent.vault = str(data.get("vault") or "")[:64]
    agent.allowed = [verb[:32] for verb in _list(data.get("allowed")) if isinstance(verb, str)][:MAX_VERBS]
    agent.refused = _sentences(data.get("refused"))
    agent.problems = _entries(data.get("problems"), ("engine", "code", "text"))
    agent.redaction = _text(data.get("redaction"), 16)
    agent.left_at = None


def _engine(entry: dict[str, Any]) -> dict[str, Any]:
    verbs = list(_dict(entry.get("capabilities")).items())[:MAX_VERBS]
    return {
        "name": _text(entry.get("name"), 32),
        "version": _text(entry.get("version"), 64),
        "capabilities": {verb[:32]: _capability(_dict(told)) for verb, told in verbs},
        "missing": _sentences(entry.get("missing")),
        "advice": _entries(entry.get("advice"), ("code", "text", "fix")),
    }


def _capability(told: dict[str, Any]) -> dict[str, str]:
    return {"note": _text(told.get("note"), SENTENCE), "support": _text(told.get("support"), 16) or "native"}


def _sentences(value: Any) -> dict[str, str]:
    """By verb, a sentence for people."""
    return {verb[:32]: _text(why, SENTENCE) for verb, why in list(_dict(value).items())[:MAX_VERBS]}


def _entries(value: Any, parts: tuple[str, ...]) -> list[dict[str, str]]:
    entries = [entry for entry in _list(value) if isinstance(entry, dict)][:MAX_ENTRIES]
    return [{part: _text(entry.get(part), SENTENCE) for part in parts} for entry in entries]


def _text(value: Any, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if type(value) is int and abs(value) < 2**63 else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
