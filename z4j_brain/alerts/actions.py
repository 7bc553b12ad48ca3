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
from django.utils.translation import gettext

from z4j_brain.alerts import kinds, messengers, telling, windows
from z4j_brain.alerts.models import Channel, Delivery, Rule, Window
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
#: Hours for which two secrets sign at most.
LONGEST_OVERLAP = 168
#: What is empty at first.
_LATER = ("environment", "secret_before_until")


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
        raise ValidationError({"name": gettext("A project has %(most)s channels at most.") % {"most": MOST}})
    _check(kind, address)
    secret = _new_secret() if kind == ChannelKind.WEBHOOK else ""
    channel = Channel(project=project, environment=environment, name=name, kind=kind)
    channel.secret = fields.encrypt(secret) if secret else ""
    _lead_to(channel, address)
    _check_name(channel)
    channel.full_clean(exclude=_LATER)
    channel.save()
    _told(channel, record)
    return channel, secret


@action(Permission.MANAGE_PROJECT, "alert_channel.edit", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def edit_channel(
    channel: Channel, asked: Mapping[str, str], *, actor: Actor, reason: str = "", record: Record
) -> Channel:
    """Another name or address. Its kind stays, and so does what a webhook is signed with. Raises ValidationError by
    field.
    """
    new = Channel.objects.select_for_update().get(pk=channel.pk)
    new.name = asked.get("name", new.name)
    if "address" in asked or new.kind != ChannelKind.SERVICE:
        address = asked.get("address", new.address)
        _check(ChannelKind(new.kind), address)
        _lead_to(new, address)
    _check_name(new)
    new.full_clean(exclude=_LATER)
    new.save(update_fields=["name", "address", "secret"])
    _told(new, record)
    return new


@action(Permission.MANAGE_PROJECT, "alert_channel.rotate", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def rotate_secret(channel: Channel, hours: int, *, actor: Actor, reason: str = "", record: Record) -> str:
    """Sign a webhook with another secret from now on, and for so many hours with the one before as well. Returns the
    new one, which nobody can show again. One that was replaced before that signs nothing more. Raises ValidationError.
    """
    new = Channel.objects.select_for_update().get(pk=channel.pk)
    if new.kind != ChannelKind.WEBHOOK:
        raise ValidationError({"channel": gettext("Only what webhooks are signed with is replaced.")})
    if not 0 <= hours <= LONGEST_OVERLAP:
        raise ValidationError({"hours": gettext("From 0 to %(most)s.") % {"most": LONGEST_OVERLAP}})
    secret = _new_secret()
    until = timezone.now() + timedelta(hours=hours) if hours else None
    new.secret_before, new.secret_before_until = (new.secret if until else ""), until
    new.secret = fields.encrypt(secret)
    new.save(update_fields=["secret", "secret_before", "secret_before_until"])
    _told(new, record, hours=hours)
    return secret


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
        raise ValidationError({"name": gettext("An environment has %(most)s rules at most.") % {"most": MOST}})
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
        detail = gettext("Somebody has changed it since: it is at version %(version)s now.") % {"version": new.version}
        raise Problem(412, "changed", gettext("Changed meanwhile"), detail)
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
        text = gettext("A time to come, within %(days)s days.") % {"days": LONGEST_MUTE.days}
        raise ValidationError({"until": text})
    Rule.objects.filter(pk=rule.pk).update(muted_until=until, next_at=now)
    record.params({"name": rule.name, "until": until.isoformat() if until else ""})
    record.target("alert_rule", rule.pk)
    record.nudge(rule.environment_id, telling.KIND)


@action(Permission.MANAGE_PROJECT, "alert_window.add", phase=Phase.ADMIN)
def add_window(
    environment: Environment, asked: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> Window:
    """Tell nobody while somebody is at work there. Raises ValidationError by field."""
    if Window.objects.filter(environment=environment).count() >= MOST:
        text = gettext("An environment has %(most)s maintenance windows at most.") % {"most": MOST}
        raise ValidationError({"name": text})
    window = Window(environment=environment)
    _plan(window, asked, record)
    return window


@action(Permission.MANAGE_PROJECT, "alert_window.edit", phase=Phase.ADMIN)
def edit_window(window: Window, asked: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record) -> Window:
    """Change what is named of it: by either `starts_at` and `ends_at`, or `cron` and `minutes`."""
    new = Window.objects.select_for_update().select_related("environment__project").get(pk=window.pk)
    _plan(new, asked, record)
    return new


@action(Permission.MANAGE_PROJECT, "alert_window.remove", phase=Phase.ADMIN)
def remove_window(window: Window, *, actor: Actor, reason: str = "", record: Record) -> None:
    """What it kept from being told, and still goes on, is told at the next look."""
    _planned(window, record)
    Window.objects.filter(pk=window.pk).delete()


@action(Permission.MANAGE_OPERATIONS, "alert_delivery.resend")
def resend(delivery: Delivery, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Send a message once more, under the id it has: who has taken it knows it. Raises ValidationError."""
    settled = Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.PENDING)
    if not settled.update(state=DeliveryState.PENDING, attempts=0, next_at=timezone.now(), leased_until=None):
        raise ValidationError(gettext("It is on its way already."))
    record.params({"channel": delivery.channel.name, "title": delivery.title})
    record.target("alert_delivery", delivery.pk)
    record.nudge(delivery.environment_id, "delivery", [str(delivery.pk)])


def _change(rule: Rule, asked: Mapping[str, Any], record: Record) -> None:
    """Set what is asked for, and see that all of it fits together."""
    for name in ("name", "kind", "cooldown_minutes", "enabled"):
        if name in asked:
            setattr(rule, name, asked[name])
    if rule.kind not in Kind.values:
        raise ValidationError({"kind": gettext("One of %(values)s.") % {"values": ", ".join(Kind.values)}})
    rule.settings = kinds.read(rule.kind, asked.get("settings", rule.settings))
    if Rule.objects.filter(environment=rule.environment, name=rule.name).exclude(pk=rule.pk).exists():
        raise ValidationError({"name": gettext("There is a rule with this name.")})
    rule.full_clean(exclude=("settings", "muted_until", "checked_at", "fault"))
    rule.save()
    if "channels" in asked:
        _set_channels(rule, asked["channels"])
    record.params({"name": rule.name, "kind": rule.kind})
    record.target("alert_rule", rule.pk)
    record.nudge(rule.environment_id, telling.KIND)


def _plan(window: Window, asked: Mapping[str, Any], record: Record) -> None:
    """Set what is asked for, and see that all of it fits together."""
    for name in ("name", "all_rules", "starts_at", "ends_at", "cron", "zone", "minutes"):
        if name in asked:
            setattr(window, name, asked[name])
    windows.check(window, timezone.now())
    if Window.objects.filter(environment=window.environment, name=window.name).exclude(pk=window.pk).exists():
        raise ValidationError({"name": gettext("There is a maintenance window with this name.")})
    window.full_clean(exclude=("starts_at", "ends_at", "cron", "minutes"))
    window.save()
    if "rules" in asked:
        wanted = set(asked["rules"])
        found = Rule.objects.filter(pk__in=wanted, environment=window.environment)
        if found.count() != len(wanted):
            raise ValidationError({"rules": gettext("Not all of these are rules of this environment.")})
        window.rules.set(found)
    if not window.all_rules and not window.rules.exists():
        raise ValidationError({"rules": gettext("Choose rules, or all of them.")})
    _planned(window, record)


def _planned(window: Window, record: Record) -> None:
    when = {"starts_at": window.starts_at, "ends_at": window.ends_at}
    told = {name: moment.isoformat() for name, moment in when.items() if moment}
    often = {"cron": window.cron, "zone": window.zone, "minutes": window.minutes} if window.cron else {}
    rules = {} if window.all_rules else {"rules": sorted(window.rules.values_list("name", flat=True))}
    record.params({"name": window.name, **told, **often, **rules})
    record.target("alert_window", window.pk)
    record.nudge(window.environment_id, telling.KIND)


def _watches(rule: Rule) -> tuple[Any, ...]:
    return rule.kind, rule.settings, rule.enabled


def _set_channels(rule: Rule, ids: Any) -> None:
    wanted = set(ids)
    found = Channel.objects.filter(pk__in=wanted, project=rule.environment.project)
    found = found.filter(environment=rule.environment) | found.filter(environment=None)
    if found.count() != len(wanted):
        raise ValidationError(
            {"channels": gettext("Not all of these are channels of this environment or its project.")}
        )
    rule.channels.set(found)


def _new_secret() -> str:
    return webhooks.WHSEC + base64.b64encode(secrets.token_bytes(32)).decode()


def _lead_to(channel: Channel, address: str) -> None:
    """A service's address holds its password: all of it is a secret but which service it is."""
    if channel.kind == ChannelKind.SERVICE:
        channel.secret, channel.address = fields.encrypt(address), f"{messengers.scheme(address)}://"
    else:
        channel.address = address


def _check(kind: ChannelKind, address: str) -> None:
    if kind == ChannelKind.WEBHOOK:
        webhooks.check(address)
        return
    if kind == ChannelKind.SERVICE:
        messengers.check(address)
        return
    if not brain.EMAIL_HOST:
        raise ValidationError({"address": gettext("The brain has no mail server: Z4J_MAIL_URL names one.")})
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError({"address": gettext("This is no e-mail address.")}) from error


def _check_name(channel: Channel) -> None:
    if Channel.objects.filter(project=channel.project, name=channel.name).exclude(pk=channel.pk).exists():
        raise ValidationError({"name": gettext("The project has a channel with this name.")})


def _told(channel: Channel, record: Record, **more: int) -> None:
    """As much of the address as anybody may see: the rest may be a secret, or a person."""
    record.params({"name": channel.name, "kind": channel.kind, "to": channel.to, **more})
    record.target("alert_channel", channel.pk)
