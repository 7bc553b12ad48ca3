"""What agents tell about themselves, and which of their events have arrived."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from z4j_core.sealed import KID
from z4j_core.wire import Kind

from z4j_brain.agents.models import Agent, AgentKey, Batch, Hidden, LateRedaction, Quarantined, Suspect
from z4j_brain.lib import nudge
from z4j_brain.lib.batch import ParsedBatch, ParsedEvent
from z4j_brain.rbac.models import Environment, Sweep
from z4j_brain.rbac.retention import midnight

#: How long a repeated batch gets its first answer; after that its events are duplicates one by one.
BATCHES_KEPT = timedelta(days=8)
#: How long an agent stays after the last of its events has gone.
AGENTS_KEPT = timedelta(days=1)
#: Rows that one transaction of housekeeping forgets, and how many of those one run has.
ROUND, ROUNDS = 1_000, 20
#: A key's or an agent's last sign of life is written this often at most.
SEEN_EVERY = timedelta(seconds=15)
#: Engines and schedulers that one process speaks for.
MAX_ENGINES = 32
MAX_KIDS = 16
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


def enrol_all(senders: Sequence[tuple[AgentKey, ParsedBatch]]) -> list[Agent]:
    """The agents of several batches, locked in the order of their ids; batches of one boot share their agent."""
    environments, boots = {key.environment_id for key, _ in senders}, {batch.boot for _, batch in senders}
    known = Agent.objects.select_for_update().filter(environment_id__in=environments, boot__in=boots).order_by("pk")
    found = {(agent.environment_id, agent.boot): agent for agent in known}
    for key, batch in senders:
        if (key.environment_id, batch.boot) not in found:
            found[key.environment_id, batch.boot] = enrol(key, batch)
    return [found[key.environment_id, batch.boot] for key, batch in senders]


def answered(places: Sequence[tuple[Agent, int]]) -> dict[tuple[UUID, int], Batch]:
    """Of the batches that begin at these places, those that came before."""
    agents, firsts = {agent.pk for agent, _ in places}, {first for _, first in places}
    before = Batch.objects.filter(agent__in=agents, first__in=firsts)
    return {(batch.agent_id, batch.first): batch for batch in before}


def apply(agent: Agent, events: Iterable[ParsedEvent]) -> None:
    """Bring the agent up to date with what it says of itself, in the order in which it said so. The caller saves it."""
    for parsed in sorted(events, key=lambda parsed: parsed.seq):
        data = parsed.event.get("data") or {}
        match parsed.event["kind"]:
            case Kind.AGENT_ONLINE:
                _introduce(agent, data)
                nudge.agent_on_commit(agent.environment_id, str(agent.boot))
            case Kind.AGENT_HEARTBEAT:
                agent.counters = _dict(data.get("counters"))
                agent.clock_us = _whole(data.get("clock"))
                agent.witness = _witness(data.get("witness")) or agent.witness
                agent.left_at = None
            case Kind.AGENT_OFFLINE:
                agent.left_at = timezone.now()
        nudge.on_commit(agent.environment_id, "agent", [str(agent.pk)])


def saw(agent: Agent, key: AgentKey, *, introduced: bool = True) -> None:
    """Write down that the agent was heard, what it has sent, and with which key; and what it said of itself."""
    now = timezone.now()
    agent.seen_at = now
    agent.key = key
    agent.save(update_fields=None if introduced else ("seen_at", "key", "received"))
    _used(key, now)


def polled(agent_ids: Collection[UUID]) -> None:
    """Write down that these agents are waiting for commands. A late poll does not bring back an agent that has left."""
    now = timezone.now()
    Agent.objects.filter(pk__in=agent_ids, left_at=None, seen_at__lt=now - SEEN_EVERY).update(seen_at=now)


def refused(key: AgentKey, code: str) -> None:
    """Write down that somebody who named this key was turned away. It is no secret: this may be anybody."""
    now = timezone.now()
    if key.refused_code == code and key.refused_at is not None and key.refused_at > now - SEEN_EVERY:
        return
    stale = ~Q(refused_code=code) | Q(refused_at=None) | Q(refused_at__lt=now - SEEN_EVERY)
    if AgentKey.objects.filter(stale, pk=key.pk).update(refused_at=now, refused_code=code):
        nudge.on_commit(key.environment_id, "agent", [str(key.pk)])
    key.refused_at, key.refused_code = now, code


def applies(policies: Mapping[UUID, str]) -> None:
    """Write down, by agent, the policy of redaction that it says it applies."""
    by_policy: dict[str, list[UUID]] = defaultdict(list)
    for agent_id, policy in policies.items():
        by_policy[policy].append(agent_id)
    for policy, agent_ids in by_policy.items():
        Agent.objects.filter(pk__in=agent_ids).exclude(policy=policy).update(policy=policy)


def count_hidden(environment_id: int, hidden: Mapping[str, int], late: Mapping[str, int]) -> None:
    """Add to today's numbers: by rule, values that it hid; by agent, texts that came with something to hide in them.

    In the transaction that takes the events, and last in it: everybody writes the rows of today.
    """
    for model, by, numbers in ((Hidden, "rule", hidden), (LateRedaction, "agent", late)):
        if not numbers:
            continue
        table, today = model._meta.db_table, timezone.now().astimezone(UTC).date()
        rows = [(environment_id, today, key, count) for key, count in sorted(numbers.items())]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (environment_id, day, {by}, count) "  # noqa: S608
                f"VALUES {', '.join(['(%s, %s, %s, %s)'] * len(rows))} "
                f"ON CONFLICT (environment_id, day, {by}) DO UPDATE SET count = {table}.count + excluded.count",
                [value for row in rows for value in row],
            )


def prune(now: datetime | None = None) -> None:
    """Forget answers nobody will ask for again, and agents that have been silent since before the oldest event."""
    now = now or timezone.now()
    for _ in range(ROUNDS):
        oldest = list(Batch.objects.order_by("pk").values_list("pk", "received_at")[:ROUND])
        old = [pk for pk, received_at in oldest if received_at < now - BATCHES_KEPT]
        Batch.objects.filter(pk__in=old).delete()
        if len(old) < ROUND:
            break
    for model in (Hidden, LateRedaction):
        for place, days in Environment.objects.values_list("pk", "rollups_days"):
            model.objects.filter(environment=place, day__lt=now.astimezone(UTC).date() - timedelta(days=days)).delete()
    for sweep in Sweep.objects.filter(kind="events"):
        if sweep.done:
            _forget_agents(sweep.environment_id, midnight(sweep.done) - AGENTS_KEPT)


def _forget_agents(environment_id: int, since: datetime) -> None:
    """Those not heard since, of which no event can be left, unless a command, a worker or a schedule still names
    them.

    Events are neither asked nor told: no index would find those of an agent.
    """
    silent = Agent.objects.filter(environment=environment_id, seen_at__lt=since)
    idle = silent.filter(addressed=None, leased=None, late=None, workers=None, schedules=None, schedulers=None)
    gone = list(idle.values_list("pk", flat=True)[:ROUND])
    if not gone:
        return
    with transaction.atomic():
        for model in (Batch, Quarantined, Suspect):
            model.objects.filter(agent__in=gone).delete()
        rows = Agent.objects.filter(pk__in=gone, seen_at__lt=since)
        rows._raw_delete(rows.db)


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
    agent.rules = _text(data.get("rules"), 32)
    agent.policy = _text(data.get("policy"), 32)
    agent.witness = _witness(data.get("witness"))
    agent.seal_key = _key(data.get("seal_key"))
    agent.seal_kids = [kid[:KID] for kid in _list(data.get("seal_kids")) if isinstance(kid, str)][:MAX_KIDS]
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


def _witness(value: Any) -> dict[str, Any]:
    """Empty where it says nothing of itself, or is an agent from before it could."""
    told = _dict(value)
    if not told:
        return {}
    known: dict[str, Any] = {"durable": told.get("durable") is True, "alarm": _text(told.get("alarm"), 32)}
    size = _whole(told.get("size"))
    return known | ({} if size is None else {"origin": _text(told.get("origin"), 255), "size": size})


def _key(value: Any) -> str:
    """An X25519 key in base64; empty where it is none."""
    try:
        return value if len(base64.b64decode(value, validate=True)) == 32 else ""
    except (ValueError, TypeError):
        return ""


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
