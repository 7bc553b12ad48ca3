"""The agents of an environment, their keys, and what those that answer can do for an engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, QuerySet
from django.http import Http404
from django.utils import timezone
from z4j_core.verbs import SCHEDULER_READS, SCHEDULER_VERBS

from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.agents.states import SILENT_AFTER, AgentRole, Presence
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission

#: How many agents are asked what they can do. Those of one engine offer the same, but for their settings.
ASKED = 200
#: How long the key of a worker that was heard of last is still sealed to.
SEALED_FOR = timedelta(days=1)
#: Engines of one environment that a page tells of.
ENGINES = 32
#: What only schedulers offer, or say why they cannot: agents tell of them as they tell of engines.
SCHEDULING = frozenset({*SCHEDULER_VERBS, *SCHEDULER_READS})
#: Agents that are asked to do something; a producer is not.
ASKABLE = (AgentRole.WORKER, AgentRole.SCHEDULER)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the answering agents of an engine say to one verb: a note when it can be done, else a reason."""

    online: bool
    offered: bool
    allowed: bool
    note: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one agent says of one engine: by verb its notes, why it cannot, and why it may not."""

    capabilities: Mapping[str, Mapping[str, str]]
    allowed: frozenset[str]
    missing: Mapping[str, str]
    refused: Mapping[str, str]
    version: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, Any], allowed: Iterable[str], refused: Mapping[str, str]) -> Voice:
        able, unable = entry.get("capabilities") or {}, entry.get("missing") or {}
        return cls(able, frozenset(allowed), unable, refused, str(entry.get("version") or ""))


@dataclass(frozen=True, slots=True)
class Reach:
    """The worker agents of one engine that answer now, by what each offers and allows."""

    engine: str
    vaults: frozenset[str]
    voices: tuple[Voice, ...]
    answers: bool = True

    @property
    def is_scheduler(self) -> bool:
        """Does it tell of schedules, and not of tasks?"""
        return any(not SCHEDULING.isdisjoint({*voice.capabilities, *voice.missing}) for voice in self.voices)

    def offer(self, verb: str) -> Offer:
        offering = [voice for voice in self.voices if verb in voice.capabilities]
        willing = [voice for voice in offering if verb in voice.allowed]
        note = str(willing[0].capabilities[verb].get("note", "")) if willing else ""
        reasons = (
            voice.refused.get(verb) if offering else voice.missing.get(verb) for voice in offering or self.voices
        )
        reason = "" if willing else next(filter(None, reasons), "")
        return Offer(bool(self.voices), bool(offering), bool(willing), note, reason)


def agents(actor: Actor, environment: Environment) -> QuerySet[Agent]:
    return rbac.within(Agent.objects.select_related("key"), actor, environment).defer("received")


def detail(actor: Actor, environment: Environment, pk: UUID) -> Agent:
    found = agents(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def answering(environment: Environment) -> QuerySet[Agent]:
    """The agents heard within the last minute. For use behind a decision: it asks for no actor."""
    since = timezone.now() - SILENT_AFTER
    return Agent.objects.filter(environment=environment, left_at=None, seen_at__gte=since)


def workers(environment: Environment) -> QuerySet[Agent]:
    """Those of them that speak for a worker. For use behind a decision: it asks for no actor."""
    return answering(environment).filter(role=AgentRole.WORKER)


def witnesses() -> int:
    """How many agents of the whole instance that answer remember the audit log for good."""
    since = timezone.now() - SILENT_AFTER
    return Agent.objects.filter(left_at=None, seen_at__gte=since, witness__durable=True).count()


def behind(environment: Environment) -> tuple[int, int]:
    """How many agents that answer still have events to send, and how many events, as they last said."""
    spooled = [
        number
        for counters in answering(environment).values_list("counters", flat=True)[:ASKED]
        if type(number := counters.get("spooled")) is int and number > 0
    ]
    return len(spooled), sum(spooled)


def reach(environment: Environment, engine: str) -> Reach:
    """Who could carry out an action on a task of this engine, in one query."""
    rows = workers(environment).order_by("-seen_at")
    return reach_among(rows.only("engines", "allowed", "refused", "vault")[:ASKED], engine)


def reach_among(found: Iterable[Agent], engine: str) -> Reach:
    """What these agents, which answer, say of an engine."""
    told = [(agent, entry) for agent in found for entry in agent.engines if entry.get("name") == engine]
    voices = tuple(Voice.of(entry, agent.allowed, agent.refused) for agent, entry in told)
    return Reach(engine, frozenset(agent.vault for agent, _ in told) - {""}, voices)


def keeps(environment: Environment, engine: str, vault: str) -> bool:
    """Does a worker agent that answers keep what is in this vault?"""
    if not vault:
        return False
    rows = workers(environment).filter(vault=vault).values_list("engines", flat=True)[:ASKED]
    return any(entry.get("name") == engine for engines in rows for entry in engines)


def seal_keys(environment_ids: Collection[int]) -> dict[int, str]:
    """By environment, the public key that originals are sealed to, in base64: that of the worker which began last.

    Workers that are away for a day or less count too: what producers send meanwhile is sealed all the same.
    """
    recent = Agent.objects.filter(environment__in=environment_ids, seen_at__gte=timezone.now() - SEALED_FOR)
    rows = recent.filter(role=AgentRole.WORKER).exclude(seal_key="").values("environment", "seal_key")
    last = rows.annotate(began=Max("started_at")).order_by("began")
    return {row["environment"]: row["seal_key"] for row in last}


def opens(environment: Environment, engine: str, kid: str) -> bool:
    """Does a worker agent that answers have the key that such an original was sealed to?"""
    rows = workers(environment).exclude(seal_key="")
    return any(
        kid in kids and any(entry.get("name") == engine for entry in engines)
        for kids, engines in rows.values_list("seal_kids", "engines")[:ASKED]
    )


def offer_of(agent: Agent, engine: str, verb: str) -> Offer:
    """What one agent says to a verb of an engine."""
    told = next((entry for entry in agent.engines if entry.get("name") == engine), None)
    if agent.state != Presence.ONLINE or told is None:
        return Offer(False, False, False)
    return Reach(engine, frozenset(), (Voice.of(told, agent.allowed, agent.refused),)).offer(verb)


def engines(actor: Actor, environment: Environment) -> list[Reach]:
    """What can be done with each engine, by name, as its worker agents say: those that answer, else the last one."""
    return [reach for reach in _reaches(actor, environment, (AgentRole.WORKER,)) if not reach.is_scheduler][:ENGINES]


def schedulers(actor: Actor, environment: Environment) -> list[Reach]:
    """The same of schedulers, as those say in whose processes they run, or who can reach their stores."""
    return [reach for reach in _reaches(actor, environment, ASKABLE) if reach.is_scheduler][:ENGINES]


def _reaches(actor: Actor, environment: Environment, roles: Collection[AgentRole]) -> list[Reach]:
    rows = rbac.within(Agent.objects.filter(role__in=roles), actor, environment).order_by("-seen_at")
    found: dict[str, list[tuple[Agent, dict[str, Any]]]] = defaultdict(list)
    for agent in rows.only("engines", "allowed", "refused", "vault", "seen_at", "left_at")[:ASKED]:
        for entry in agent.engines:
            found[entry.get("name", "")].append((agent, entry))
    return [_reach(engine, told) for engine, told in sorted(found.items()) if engine]


def reach_of(agent: Agent, engine: str) -> Reach | None:
    """What one agent says it can do with an engine, and may; None when it does not speak for that engine."""
    entry = next((entry for entry in agent.engines if entry.get("name") == engine), None)
    return _reach(engine, [(agent, entry)]) if entry else None


def _reach(engine: str, told: list[tuple[Agent, dict[str, Any]]]) -> Reach:
    heard = [(agent, entry) for agent, entry in told if agent.state == Presence.ONLINE] or told[:1]
    vaults = frozenset(agent.vault for agent, _ in heard) - {""}
    voices = tuple(Voice.of(entry, agent.allowed, agent.refused) for agent, entry in heard)
    return Reach(engine, vaults, voices, answers=told[0][0].state == Presence.ONLINE)


def keys(actor: Actor, environment: Environment) -> QuerySet[AgentKey]:
    """The agent keys of an environment: for those who may mint and revoke them."""
    return rbac.within(AgentKey.objects.all(), actor, environment, Permission.MANAGE_AGENTS)


def key_of(kid: str) -> AgentKey | None:
    """The key with this id, for the gateway: an agent is let in by its key, not by a role."""
    return AgentKey.objects.filter(kid=kid).first()


def of_boot(environment_id: int, boot: UUID) -> Agent | None:
    """The agent of one boot, for the gateway."""
    return of_boots([(environment_id, boot)]).get((environment_id, boot))


def of_boots(wanted: Collection[tuple[int, UUID]]) -> dict[tuple[int, UUID], Agent]:
    """The agents of these environments and boots, for the gateway."""
    # A boot is chosen by who sends it: another tenant may have sent the same.
    environments, boots = {environment_id for environment_id, _ in wanted}, {boot for _, boot in wanted}
    rows = Agent.objects.filter(environment__in=environments, boot__in=boots).defer("received")
    found = {(agent.environment_id, agent.boot): agent for agent in rows[: len(environments) * len(boots)]}
    return {one: found[one] for one in wanted if one in found}
