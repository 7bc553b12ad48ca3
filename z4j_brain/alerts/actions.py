"""What people ask of alerts: channels to tell by, rules that watch, silence for a while, and a message once more."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as brain
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from z4j_brain.alerts import kinds, telling
from z4j_brain.alerts.models import Channel, Delivery, Rule
from z4j_brain.alerts.queries import MOST
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Kind
from z4j_brain.audit import webhooks
from z4j_brain.ledger.states import Phase
from z4j_brain.lib import fields
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import Environment, Project
from z4j_brain.rbac.states import Permission

LONGEST_MUTE = timedelta(days=30)


@action(Permission.MANAGE_PROJECT, "alert_channel.add", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def add_channel(
    place: Project | Environment,
    name: str,
    kind: ChannelKind,
    address: str,
    *,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> tuple[Channel, str]:
    """One more who is told, of one environment or of a whole project. Returns its secret, which nobody can show again.

    Raises ValidationError by field.
    """
    environment = place if isinstance(place, Environment) else None
    project = place.project if isinstance(place, Environment) else place
    if Channel.objects.filter(project=project).count() >= MOST:
        raise ValidationError({"name": f"A project has {MOST} channels at most."})
    _check(kind, address)
    secret = webhooks.WHSEC + base64.b64encode(secrets.token_bytes(32)).decode() if kind == ChannelKind.WEBHOOK else ""
    sealed = fields.encrypt(secret) if secret else ""
    channel = Channel(project=project, environment=environment, name=name, kind=kind, address=address, secret=sealed)
    _check_name(channel)
    channel.full_clean(exclude=("environment",))
    channel.save()
    _told(channel, record)
    return channel, secret


@action(Permission.MANAGE_PROJECT, "alert_channel.edit", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def edit_channel(
    channel: Channel, asked: Mapping[str, str], *, actor: Actor, reason: str = "", record: Record
) -> Channel:
    """Another name or address. Its kind and its secret stay. Raises ValidationError by field."""
    new = Channel.objects.select_for_update().get(pk=channel.pk)
    new.name, new.address = asked.get("name", new.name), asked.get("address", new.address)
    _check(ChannelKind(new.kind), new.address)
    _check_name(new)
    new.full_clean(exclude=("environment",))
    new.save(update_fields=["name", "address"])
    _told(new, record)
    return new


@action(Permission.MANAGE_PROJECT, "alert_channel.remove", phase=Phase.ADMIN)
def remove_channel(channel: Channel, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Tell them nothing more. What was sent to them is forgotten."""
    _told(channel, record)
    Channel.objects.filter(pk=channel.pk).delete()


@action(Permission.MANAGE_PROJECT, "alert_channel.test")
def test_channel(
    channel: Channel, environment: Environment, *, actor: Actor, reason: str = "", record: Record
) -> Delivery:
    """Send a message that says nothing but that it arrives."""
    _told(channel, record)
    return telling.test(channel, environment, timezone.now())


@action(Permission.MANAGE_PROJECT, "alert_rule.create", phase=Phase.ADMIN)
def create_rule(
    environment: Environment, asked: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> Rule:
    """Watch for something from now on. Raises ValidationError or Problem by field."""
    if Rule.objects.filter(environment=environment).count() >= MOST:
        raise ValidationError({"name": f"An environment has {MOST} rules at most."})
    rule = Rule(environment=environment)
    _change(rule, asked, record)
    record.diff(None, rule)
    return rule


@action(Permission.MANAGE_PROJECT, "alert_rule.edit", phase=Phase.ADMIN)
def edit_rule(
    rule: Rule, asked: Mapping[str, Any], version: int | None, *, actor: Actor, reason: str = "", record: Record
) -> Rule:
    """Change what is named of it; with the version that somebody has seen, only while it is that one.

    What it found by its old settings is over.
    """
    new = Rule.objects.select_for_update().select_related("environment__project").get(pk=rule.pk)
    if version is not None and new.version != version:
        detail = f"Somebody has changed it since: it is at version {new.version} now."
        raise Problem(412, "changed", "Changed meanwhile", detail)
    old = Rule.objects.select_related("environment__project").get(pk=rule.pk)
    new.version += 1
    new.next_at = timezone.now()
    _change(new, asked, record)
    if _watches(old) != _watches(new):
        telling.end_all(old, timezone.now(), "The rule was changed.")
        new.changed_at = timezone.now()
        new.save(update_fields=["changed_at"])
    record.diff(old, new)
    return new


@action(Permission.MANAGE_PROJECT, "alert_rule.delete", phase=Phase.ADMIN)
def delete_rule(rule: Rule, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Watch for it no more. What it has found stays in the list of alerts."""
    telling.end_all(rule, timezone.now(), "The rule was deleted.")
    record.params({"name": rule.name})
    record.target("alert_rule", rule.pk)
    record.nudge(rule.environment_id, telling.KIND)
    Rule.objects.filter(pk=rule.pk).delete()


@action(Permission.MANAGE_OPERATIONS, "alert_rule.mute")
def mute_rule(rule: Rule, until: datetime | None, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Let it begin no alert until then; None: from now on again. What goes on is still told to be over."""
    now = timezone.now()
    if until is not None and not now < until <= now + LONGEST_MUTE:
        raise ValidationError({"until": f"A time to come, within {LONGEST_MUTE.days} days."})
    Rule.objects.filter(pk=rule.pk).update(muted_until=until, next_at=now)
    record.params({"name": rule.name, "until": until.isoformat() if until else ""})
    record.target("alert_rule", rule.pk)
    record.nudge(rule.environment_id, telling.KIND)


@action(Permission.MANAGE_OPERATIONS, "alert_delivery.resend")
def resend(delivery: Delivery, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Send a message once more, under the id it has: who has taken it knows it. Raises ValidationError."""
    settled = Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.PENDING)
    if not settled.update(state=DeliveryState.PENDING, attempts=0, next_at=timezone.now(), leased_until=None):
        raise ValidationError("It is on its way already.")
    record.params({"channel": delivery.channel.name, "title": delivery.title})
    record.target("alert_delivery", delivery.pk)
    record.nudge(delivery.environment_id, "delivery", [str(delivery.pk)])


def _change(rule: Rule, asked: Mapping[str, Any], record: Record) -> None:
    """Set what is asked for, and see that all of it fits together."""
    for name in ("name", "kind", "cooldown_minutes", "enabled"):
        if name in asked:
            setattr(rule, name, asked[name])
    if rule.kind not in Kind.values:
        raise ValidationError({"kind": f"One of {', '.join(Kind.values)}."})
    rule.settings = kinds.read(rule.kind, asked.get("settings", rule.settings))
    if Rule.objects.filter(environment=rule.environment, name=rule.name).exclude(pk=rule.pk).exists():
        raise ValidationError({"name": "There is a rule with this name."})
    rule.full_clean(exclude=("settings", "muted_until", "checked_at", "fault"))
    rule.save()
    if "channels" in asked:
        _set_channels(rule, asked["channels"])
    record.params({"name": rule.name, "kind": rule.kind})
    record.target("alert_rule", rule.pk)
    record.nudge(rule.environment_id, telling.KIND)


def _watches(rule: Rule) -> tuple[Any, ...]:
    return rule.kind, rule.settings, rule.enabled


def _set_channels(rule: Rule, ids: Any) -> None:
    wanted = set(ids)
    found = Channel.objects.filter(pk__in=wanted, project=rule.environment.project)
    found = found.filter(environment=rule.environment) | found.filter(environment=None)
    if found.count() != len(wanted):
        raise ValidationError({"channels": "Not all of these are channels of this environment or its project."})
    rule.channels.set(found)


def _check(kind: ChannelKind, address: str) -> None:
    if kind == ChannelKind.WEBHOOK:
        webhooks.check(address)
        return
    if not brain.EMAIL_HOST:
        raise ValidationError({"address": "The brain has no mail server: Z4J_MAIL_URL names one."})
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError({"address": "This is no e-mail address."}) from error


def _check_name(channel: Channel) -> None:
    if Channel.objects.filter(project=channel.project, name=channel.name).exclude(pk=channel.pk).exists():
        raise ValidationError({"name": "The project has a channel with this name."})


def _told(channel: Channel, record: Record) -> None:
    """As much of the address as anybody may see: the rest may be a secret, or a person."""
    record.params({"name": channel.name, "kind": channel.kind, "to": channel.to})
    record.target("alert_channel", channel.pk)
