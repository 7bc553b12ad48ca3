"""What an environment asks of redaction, as agents are told: `z4j_core.policy.Policy`, made from what people set."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext
from z4j_core import policy
from z4j_core.policy import Policy, Rule

from z4j_brain.agents import queries
from z4j_brain.agents.models import RedactionPolicy, RedactionRule
from z4j_brain.agents.states import RedactionMode
from z4j_brain.rbac.models import Environment, Project
from z4j_brain.rbac.retention import BELIEVED
from z4j_brain.rbac.states import EnvironmentKind

logger = logging.getLogger(__name__)

#: By environment: until when it is believed, and what.
_believed: dict[int, tuple[float, Policy | None]] = {}


def of(environment: Environment) -> RedactionPolicy:
    """What people set here; where nobody did, a row that is not stored and insists on nothing."""
    return RedactionPolicy.objects.filter(environment=environment).first() or RedactionPolicy(environment=environment)


def document(environment: Environment) -> Policy:
    """What the environment's agents are told."""
    return documents([environment.pk])[environment.pk]


def documents(environment_ids: Collection[int]) -> dict[int, Policy]:
    """What the agents of these environments are told, in four queries. For the gateway: it asks for no actor."""
    policies = RedactionPolicy.objects.filter(environment__in=environment_ids)
    found = {row.environment_id: row for row in policies}
    rules: dict[int, list[Rule]] = defaultdict(list)
    for row in RedactionRule.objects.filter(project__environments__in=environment_ids).distinct():
        rules[row.project_id].append(told(row))
    places = Environment.objects.filter(pk__in=environment_ids).values_list("pk", "kind", "project_id")
    keys = queries.seal_keys(environment_ids)
    return {
        pk: _document(found.get(pk) or RedactionPolicy(), kind, rules[project], keys.get(pk, ""))
        for pk, kind, project in places
    }


def believed(environment_id: int) -> Policy:
    """What agents are told, as it was some seconds ago at most. For ingest: it asks for no actor."""
    until, found = _believed.get(environment_id, (0.0, None))
    if found is None or time.monotonic() >= until:
        found = documents([environment_id])[environment_id]
        _believed[environment_id] = time.monotonic() + BELIEVED, found
    return found


def rules(environment: Environment) -> QuerySet[RedactionRule]:
    """The rules of the environment's project, which whoever sees the environment sees."""
    return RedactionRule.objects.filter(project=environment.project_id).select_related("project")


def told(rule: RedactionRule) -> Rule:
    return Rule(id=rule.slug, kind=rule.kind, match=rule.match, tasks=rule.tasks)


def loosens(was: RedactionPolicy, now: RedactionPolicy) -> bool:
    """Is there a task of which more may be told than before?"""
    if _weaker(now.mode, was.mode):
        return True
    kept = dict(now.tasks)
    return any(_weaker(policy.strictest(kept.get(glob, now.mode), now.mode), mode) for glob, mode in was.tasks)


def rule_loosens(was: RedactionRule | None, now: Rule | None) -> bool:
    """Is there something that the rule hid and hides no more? A rule that is new, or is for more tasks, only hides."""
    if was is None:
        return False
    if now is None or (was.kind, was.match) != (now["kind"], now["match"]):
        return True
    return bool(now["tasks"]) and now["tasks"] != was.tasks


def check(row: RedactionPolicy) -> None:
    """Raises ValidationError by the name of the setting."""
    usual = _said(RedactionPolicy(), EnvironmentKind.PRODUCTION, [])
    faults = {}
    for name in ("mode", "tasks", "seal_key"):
        try:
            _read(usual | {name: getattr(row, name)})
        except ValueError as error:
            faults[name] = str(error)
    if "tasks" not in faults and len({glob for glob, _ in row.tasks}) < len(row.tasks):
        faults["tasks"] = gettext("A pattern of tasks stands there twice.")
    if faults:
        raise ValidationError(faults)


def check_rule(rule: Rule) -> None:
    """Raises ValidationError by the name of the field."""
    usual = Rule(id="id", kind="text", match="order", tasks="")
    for name in ("id", "kind", "tasks", "match"):
        tried = usual | {name: rule[name]} | ({"kind": rule["kind"]} if name == "match" else {})
        try:
            policy.compiled(cast(Rule, tried))
        except ValueError as error:
            # Named after the field it is about: a template has one meaning for names and another for texts.
            raise ValidationError({name: str(error)}) from error


def asks_why(project: Project) -> bool:
    """Does an environment of the project ask for reasons?"""
    return project.environments.filter(reason_required=True).exists()


def _weaker(now: str, was: str) -> bool:
    return policy.strictest(now, was) != now


def _document(row: RedactionPolicy, kind: str, rules: list[Rule], key: str) -> Policy:
    """What was set before may be no policy any more: then the strictest that needs no key. `key`: the workers' own, to
    seal to where people set none.
    """
    try:
        said = _said(row, kind, rules)
        return _read(said | {"seal_key": said["seal_key"] or key})
    except ValueError as error:
        logger.error("policy_unreadable environment=%s error=%s", row.environment_id, error)  # noqa: TRY400
        return _read(_said(RedactionPolicy(mode=RedactionMode.SHAPES), kind, []))


def _said(row: RedactionPolicy, kind: str, rules: list[Rule]) -> dict[str, Any]:
    default = policy.Mode.SHAPES if kind == EnvironmentKind.PRODUCTION else policy.Mode.REDACT
    ordered = sorted(rules, key=lambda rule: rule["id"])
    said = {"mode": row.mode, "default": str(default), "tasks": row.tasks, "rules": ordered, "seal_key": row.seal_key}
    return {name: str(value) if isinstance(value, str) else value for name, value in said.items()}


def _read(said: dict[str, Any]) -> Policy:
    return policy.read({**said, "version": policy.version(said)})
