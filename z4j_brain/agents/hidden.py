"""How many values were hidden in an environment, by which rule, and what agents should have hidden and did not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext
from z4j_core.marks import RULES_VERSION

from z4j_brain.agents.models import Agent, Hidden, LateRedaction
from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: The built-in rules of this brain, which looks at everything once more.
BUILT_IN = RULES_VERSION
#: Rules, and agents, that a page tells of.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """Of 7 and of 30 days: by rule how many values it hid, by agent how many texts the brain had to redact again."""

    rules: list[dict[str, Any]]
    late: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Standing:
    """By what an agent redacts. `lags`: a sentence on why it is behind; empty when it is not."""

    agent: Agent
    lags: str


def counts(actor: Actor, environment: Environment) -> Counts:
    rules = _summed(rbac.within(Hidden.objects.all(), actor, environment), "rule")
    return Counts(rules, _summed(rbac.within(LateRedaction.objects.all(), actor, environment), "agent"))


def _summed(rows: QuerySet[Any], by: str) -> list[dict[str, Any]]:
    today = timezone.now().astimezone(UTC).date()
    week, month = (Sum("count", filter=Q(day__gt=today - timedelta(days=days)), default=0) for days in (7, 30))
    recent = rows.filter(day__gt=today - timedelta(days=30))
    return list(recent.values(by).annotate(week=week, month=month).order_by("-month", by)[:SHOWN])


def standings(agents: Iterable[Agent], version: str) -> list[Standing]:
    """How far each of these agents has come with the environment's policy, and with the built-in rules."""
    return [Standing(agent, _lags(agent, version)) for agent in agents]


def answering(actor: Actor, environment: Environment) -> QuerySet[Agent]:
    """The agents heard within the last minute, as far as this page tells of them."""
    since = timezone.now() - SILENT_AFTER
    rows = rbac.within(Agent.objects.filter(left_at=None, seen_at__gte=since), actor, environment)
    return rows.only("name", "host", "role", "redaction", "rules", "policy", "seen_at", "left_at").order_by("-seen_at")


def _lags(agent: Agent, version: str) -> str:
    if not agent.policy and not agent.rules:
        return gettext("Older than policies: it redacts by its own settings alone. Upgrade it.")
    if agent.policy != version:
        return gettext("It does not apply the newest policy yet.")
    if agent.rules == BUILT_IN:
        return ""
    return gettext("Its built-in rules are another version than the brain's.")
