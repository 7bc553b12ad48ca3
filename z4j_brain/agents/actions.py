"""What people ask of an environment's agent keys, and of what its agents tell."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from z4j_core import dsn, policy
from z4j_core.policy import Rule

from z4j_brain.agents import redaction
from z4j_brain.agents.models import AgentKey, RedactionPolicy, RedactionRule
from z4j_brain.ledger.states import Phase
from z4j_brain.lib import keys, nudge
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import Environment, Project
from z4j_brain.rbac.states import Permission

#: What of an environment's redaction policy may be set.
REDACTION = ("mode", "tasks", "seal_key")


@action(Permission.MANAGE_AGENTS, "agent_key.mint", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def mint_key(
    environment: Environment, *, name: str, days: int = 180, actor: Actor, reason: str = "", record: Record
) -> tuple[AgentKey, str]:
    """A new key for the environment's agents, and the DSN that carries it, which nobody can show again."""
    kid, secret = secrets.token_hex(6), secrets.token_hex(24)
    bearer = dsn.bearer(kid, secret)
    key = AgentKey.objects.create(
        environment=environment,
        name=name,
        kid=kid,
        bearer_hash=hashlib.sha256(bearer.encode()).hexdigest(),
        expires_at=timezone.now() + timedelta(days=days),
    )
    record.target("agent_key", key.pk)
    record.params({"kid": kid, "name": name, "days": days})
    return key, _dsn(environment, kid, secret)


@action(Permission.MANAGE_AGENTS, "agent_key.revoke", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def revoke_key(key: AgentKey, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a key: agents that present it are refused within 5 s. Revoking twice changes nothing."""
    AgentKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    record.params({"kid": key.kid})


@action(Permission.MANAGE_PROJECT, "redaction.set_policy", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def set_redaction(
    environment: Environment, settings: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> RedactionPolicy:
    """Say what the environment insists on in redaction; what is not named stays. Agents that wait are told at once.

    Raises ValidationError by the name of the setting; for `reason`, when agents would tell more and the environment
    asks for reasons.
    """
    if unknown := sorted(set(settings) - set(REDACTION)):
        raise ValidationError(dict.fromkeys(unknown, gettext("Unknown setting.")))
    Environment.objects.select_for_update().get(pk=environment.pk)
    was = redaction.of(environment)
    row = RedactionPolicy(environment=environment, **{name: getattr(was, name) for name in REDACTION} | dict(settings))
    redaction.check(row)
    loosens = redaction.loosens(was, row)
    _demand_why(loosens and environment.reason_required, reason)
    values = {name: getattr(row, name) for name in REDACTION}
    RedactionPolicy.objects.update_or_create(environment=environment, defaults=values)
    record.target("environment", environment.pk)
    old = {name: getattr(was, name) for name in REDACTION}
    record.private(
        {"diff": {name: [str(old[name]), str(values[name])] for name in values if old[name] != values[name]}}
    )
    record.params(values)
    record.facts({"loosens": loosens})
    _tell(record, environment)
    return row


@action(Permission.MANAGE_PROJECT, "redaction.set_rule", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def set_rule(project: Project, rule: Rule, *, actor: Actor, reason: str = "", record: Record) -> RedactionRule:
    """Add a rule to all environments of a project, or change the one with this id.

    Raises ValidationError by the name of the field; for `reason` as `set_redaction` does.
    """
    Project.objects.select_for_update().get(pk=project.pk)
    redaction.check_rule(rule)
    was = RedactionRule.objects.filter(project=project, slug=rule["id"]).first()
    if was is None and RedactionRule.objects.filter(project=project).count() >= policy.MAX_RULES:
        many = gettext("A project has at most %(n)s rules.") % {"n": policy.MAX_RULES}
        raise ValidationError({"id": many})
    loosens = redaction.rule_loosens(was, rule)
    _demand_why(loosens and redaction.asks_why(project), reason)
    values = {name: rule[name] for name in ("kind", "match", "tasks")}
    who = {"set_by": actor.id, "set_by_name": actor.name[:255], "set_at": timezone.now()}
    row, _ = RedactionRule.objects.update_or_create(project=project, slug=rule["id"], defaults=values | who)
    record.target("redaction_rule", row.slug)
    record.params({"rule": dict(rule), "was": dict(redaction.told(was)) if was else None})
    record.facts({"loosens": loosens})
    for environment in project.environments.all():
        _tell(record, environment)
    return row


@action(Permission.MANAGE_PROJECT, "redaction.remove_rule", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def remove_rule(rule: RedactionRule, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Take a rule away, from all environments of its project. Twice changes nothing."""
    _demand_why(redaction.asks_why(rule.project), reason)
    RedactionRule.objects.filter(pk=rule.pk).delete()
    record.target("redaction_rule", rule.slug)
    record.params({"was": dict(redaction.told(rule))})
    record.facts({"loosens": True})
    for environment in rule.project.environments.all():
        _tell(record, environment)


def _demand_why(asks: bool, reason: str) -> None:  # noqa: FBT001
    if asks and not reason.strip():
        wanted = gettext("Agents would tell more than before: say why, for whoever reads it later.")
        raise ValidationError({"reason": wanted})


def _tell(record: Record, environment: Environment) -> None:
    """Open pages look again, and the agents that wait are told."""
    record.nudge(environment.pk, "settings")
    nudge.policy_on_commit(environment.pk)


def _dsn(environment: Environment, kid: str, secret: str) -> str:
    brain = urlsplit(settings.Z4J_URL)
    place = f"{brain.path.rstrip('/')}/{environment.project.slug}/{environment.slug}"
    return f"{brain.scheme}://{dsn.PREFIX}_{kid}_{secret}@{brain.netloc}{place}?key={keys.ring().fingerprint}"
