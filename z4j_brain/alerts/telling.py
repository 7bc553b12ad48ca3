"""Alerts that begin and end, and the messages about them, in the transaction of whoever found that out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from z4j_brain.alerts import windows
from z4j_brain.alerts.measures import Trouble
from z4j_brain.alerts.models import Alert, Channel, Delivery, Rule
from z4j_brain.alerts.states import Happening
from z4j_brain.lib import nudge
from z4j_brain.rbac.models import Environment

#: What open pages are told has changed.
KIND = "alert"


def settle(rule: Rule, found: Sequence[Trouble], now: datetime) -> None:
    """Begin an alert for what is new, and end those that are over. The rule is locked.

    Nothing begins while it is muted, nor so soon after the last time for the same thing. While somebody is at work
    there, what begins is kept and not told; what of it still goes on afterwards is told then.
    """
    going_on = {alert.subject: alert for alert in Alert.objects.filter(rule=rule, ended_at=None)}
    there = {trouble.subject: trouble for trouble in found}
    over = [alert for subject, alert in going_on.items() if subject not in there]
    end(rule, over, now)
    new = {subject: trouble for subject, trouble in there.items() if subject not in going_on}
    held = [alert for subject, alert in going_on.items() if subject in there and alert.held]
    if (not new and not held) or (rule.muted_until is not None and rule.muted_until > now):
        return
    at_work = windows.covers(rule, now)
    _begin(rule, _cool(rule, new, now), now, held=at_work)
    if not at_work:
        _tell_at_last(rule, held, there, now)


def end(rule: Rule, alerts: Iterable[Alert], now: datetime, why: str = "") -> None:
    """They are over, and whoever was told of them is told so."""
    channels = list(rule.channels.all())
    for alert in alerts:
        alert.ended_at, alert.why_ended = now, why
        alert.save(update_fields=["ended_at", "why_ended"])
        _tell(alert, rule, [] if alert.held else channels, Happening.RESOLVED, now)


def end_all(rule: Rule, now: datetime, why: str) -> None:
    """Nobody watches for any of it any more."""
    end(rule, Alert.objects.filter(rule=rule, ended_at=None), now, why)


def test(channel: Channel, environment: Environment, now: datetime) -> Delivery:
    """A message that says nothing but that it arrives."""
    title = f"Test of {channel.name}"
    data = {**_place(environment), "text": "Alerts of z4j arrive here."}
    return Delivery.objects.create(
        environment=environment,
        channel=channel,
        happening=Happening.TEST,
        title=title,
        body=_body(Happening.TEST, title, now, data),
    )


def preview(rule: Rule, trouble: Trouble, now: datetime) -> str:
    """The message that would be sent."""
    return _body(Happening.FIRED, _title(rule.name, trouble.subject), now, _data(_alert(rule, trouble, now), rule))


def _cool(rule: Rule, new: dict[str, Trouble], now: datetime) -> list[Trouble]:
    """Those of which nobody was told lately."""
    since = now - timedelta(minutes=rule.cooldown_minutes)
    lately = Alert.objects.filter(rule=rule, subject__in=new, started_at__gt=since, held=False)
    told = set(lately.values_list("subject", flat=True))
    return [trouble for subject, trouble in new.items() if subject not in told]


def _begin(rule: Rule, troubles: Iterable[Trouble], now: datetime, *, held: bool) -> None:
    channels = [] if held else list(rule.channels.all())
    for trouble in troubles:
        alert = _alert(rule, trouble, now)
        alert.held = held
        alert.save()
        _tell(alert, rule, channels, Happening.FIRED, now)


def _tell_at_last(rule: Rule, alerts: Iterable[Alert], there: Mapping[str, Trouble], now: datetime) -> None:
    """Of what began while somebody was at work, as it is now."""
    channels = list(rule.channels.all())
    for alert in alerts:
        alert.text, alert.facts = there[alert.subject].text[:500], dict(there[alert.subject].facts)
        alert.held = False
        alert.save(update_fields=["text", "facts", "held"])
        _tell(alert, rule, channels, Happening.FIRED, now)


def _alert(rule: Rule, trouble: Trouble, now: datetime) -> Alert:
    return Alert(
        environment=rule.environment,
        rule=rule,
        rule_name=rule.name,
        kind=rule.kind,
        subject=trouble.subject,
        text=trouble.text[:500],
        facts=dict(trouble.facts),
        started_at=now,
    )


def _tell(alert: Alert, rule: Rule, channels: Iterable[Channel], happening: Happening, now: datetime) -> None:
    title = _title(rule.name, alert.subject, over=happening == Happening.RESOLVED)
    body = _body(happening, title, now, _data(alert, rule))
    for channel in channels:
        Delivery.objects.create(
            environment=alert.environment, alert=alert, channel=channel, happening=happening, title=title, body=body
        )
    nudge.on_commit(alert.environment_id, KIND, [str(alert.pk)])


def _title(name: str, subject: str, *, over: bool = False) -> str:
    about = f": {subject}" if subject else ""
    return f"{'Resolved: ' if over else ''}{name}{about}".replace("\n", " ").replace("\r", " ")


def _data(alert: Alert, rule: Rule) -> dict[str, Any]:
    """Names and numbers: no argument, result or error of a task."""
    return {
        **_place(alert.environment),
        "alert": alert.pk,
        "rule": {"id": rule.pk, "name": rule.name, "kind": rule.kind},
        "subject": alert.subject,
        "text": alert.text,
        "facts": alert.facts,
        "started_at": alert.started_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
        "why_ended": alert.why_ended,
    }


def _place(environment: Environment) -> dict[str, str]:
    place = {"project": environment.project.slug, "environment": environment.slug}
    return {**place, "url": settings.Z4J_URL + reverse("alert-history", kwargs=place)}


def _body(happening: Happening, title: str, now: datetime, data: dict[str, Any]) -> str:
    """As Standard Webhooks has it: a type, when it happened, and what."""
    told = {"type": f"alert.{happening.value}", "timestamp": now.isoformat(), "data": {"title": title, **data}}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
