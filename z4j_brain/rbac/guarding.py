"""What people decide about approvals and freezes: the policy of an environment, and when it is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.rbac import access, freezes, guarded, policies
from z4j_brain.rbac.action import REGISTRY, Record, Refused, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.approvals import Wish
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import ApprovalPolicy, Environment, Freeze
from z4j_brain.rbac.states import Permission

#: What of a policy may be set.
SETTINGS = ("rules", "minutes", "approvers", "requests")
MOST_RULES = 50
MOST_TARGETS = 100_000


def _another(environment: Environment, settings: Mapping[str, Any], **_: Any) -> list[Wish]:
    """Who could lift it alone could put it back after: where it asks for anything, it is changed by two."""
    return [Wish(environment, {name: settings[name] for name in sorted(settings)})]


@action(Permission.MANAGE_PROJECT, policies.ITSELF, phase=Phase.ADMIN, fresh=Fresh.PEOPLE, eyes=_another)
def set_policy(
    environment: Environment, settings: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> ApprovalPolicy:
    """Say what takes a second person here; None: as an environment of its kind begins. What is not named stays.

    Raises ValidationError by the name of the setting.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise ValidationError(dict.fromkeys(unknown, gettext("Unknown setting.")))
    Environment.objects.select_for_update().get(pk=environment.pk)
    now = policies.of(environment)
    was = {name: getattr(now, name) for name in SETTINGS}
    row = ApprovalPolicy(environment=environment, **was | dict(settings))
    _check_rules(row.rules)
    row.clean_fields(exclude=["environment", "rules"])
    if row.approvers > now.approvers:
        _demand_approvers(environment, row.approvers)
    values = {name: getattr(row, name) for name in SETTINGS}
    row, _ = ApprovalPolicy.objects.update_or_create(environment=environment, defaults=values)
    record.target("environment", environment.pk)
    record.private(
        {"diff": {name: [str(was[name]), str(values[name])] for name in SETTINGS if was[name] != values[name]}}
    )
    record.params({"rules": dict(row.rules), "minutes": row.minutes, "approvers": row.approvers})
    record.nudge(environment.pk, "settings")
    return row


@action(Permission.MANAGE_PROJECT, "freeze.set", phase=Phase.ADMIN)
def set_freeze(
    environment: Environment,
    starts_at: datetime,
    ends_at: datetime,
    actions: Sequence[str] = (),
    *,
    single: bool = False,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> Freeze:
    """Leave the environment alone for a time. What is under way goes on; what people ask for is refused.

    Raises ValidationError by the name of the field.
    """
    _check_times(starts_at, ends_at, reason)
    if unknown := sorted(set(actions) - guarded.ON_TARGETS):
        raise ValidationError({"actions": f"{_what(unknown[0])} {gettext('A freeze holds what is done to targets.')}"})
    freeze = Freeze.objects.create(
        environment=environment,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason[:500],
        actions=sorted(set(actions)),
        single=single,
        set_by=actor.id,
        set_by_name=actor.name[:255],
    )
    record.target("freeze", freeze.pk)
    record.params(
        {"from": starts_at.isoformat(), "to": ends_at.isoformat(), "actions": freeze.actions, "single": single}
    )
    record.nudge(environment.pk, "settings")
    return freeze


@action(Permission.MANAGE_PROJECT, "freeze.end", phase=Phase.ADMIN)
def end_freeze(freeze: Freeze, *, actor: Actor, reason: str = "", record: Record) -> Freeze:
    """End a freeze, or take one back that was to come. One that holds is ended by whoever set it, or by an owner."""
    locked = Freeze.objects.select_for_update().get(pk=freeze.pk)
    record.target("freeze", locked.pk)
    if locked.is_over:
        return locked
    own = actor.id == locked.set_by
    if locked.is_on and not own and not access.decide(actor, Permission.BREAK_GLASS, locked.environment).allow:
        said = gettext("A freeze that holds is ended by %(name)s, who set it, or an owner.")
        raise Refused(access.Decision(False, True, "not_own", said % {"name": locked.set_by_name}))
    locked.ended_at, locked.ended_by_name = timezone.now(), actor.name[:255]
    locked.save(update_fields=["ended_at", "ended_by_name"])
    record.nudge(locked.environment_id, "settings")
    return locked


def may_ask(name: str) -> bool:
    """Is there anything that a rule of this name would hold?"""
    return name in policies.PRODUCTION or name in guarded.ON_TARGETS


def _what(name: str) -> str:
    said = gettext("%(name)s is not asked of targets.") if name in REGISTRY else gettext("There is no action %(name)s.")
    return said % {"name": name}


def _demand_approvers(environment: Environment, number: int) -> None:
    """Else a wish for more eyes would leave nothing of approvals at all."""
    if (could := len(policies.approvers(environment))) <= number:
        why = gettext(
            "%(could)s could approve here, and it takes %(needed)s: whoever asks does not count. Nothing would wait."
        )
        raise ValidationError({"approvers": why % {"could": could, "needed": number + 1}})


def _check_rules(rules: Any) -> None:
    if not isinstance(rules, Mapping) or len(rules) > MOST_RULES:
        raise ValidationError({"rules": gettext("Actions and numbers, at most %(n)s of them.") % {"n": MOST_RULES}})
    for name, number in rules.items():
        if not may_ask(name):
            raise ValidationError({"rules": f"{_what(name)} {gettext('It never takes a second person.')}"})
        if type(number) is not int or not 0 <= number <= MOST_TARGETS:
            said = gettext("%(name)s: a number of targets, from 0 to %(most)s.")
            raise ValidationError({"rules": said % {"name": name, "most": f"{MOST_TARGETS:,}"}})


def _check_times(starts_at: datetime, ends_at: datetime, reason: str) -> None:
    faults = {}
    if ends_at <= max(starts_at, timezone.now()):
        faults["ends_at"] = gettext("It ends after it begins, and not in the past.")
    elif ends_at - starts_at > freezes.LONGEST:
        faults["ends_at"] = gettext("At most %(n)s days: set the next one when it is over.") % {
            "n": freezes.LONGEST.days
        }
    if not reason.strip():
        faults["reason"] = gettext("Say why, for whoever it stops.")
    if faults:
        raise ValidationError(faults)
