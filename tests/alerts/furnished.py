"""Alerts of an environment, full of canaries: the mark stands in every text."""

from __future__ import annotations

from typing import Any

from z4j_brain.alerts.models import Alert, Channel, Delivery, Rule, Window
from z4j_brain.alerts.states import DeliveryState, Happening
from z4j_brain.lib import fields
from z4j_brain.rbac.models import Environment

HOOK = "https://hooks.example/"


def furnish(environment: Environment, mark: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of everything, and the keys and the bodies by which addresses are filled in."""
    here = {"environment": environment}
    settings = {"depth": 100, "queue": mark}
    rule = Rule.objects.create(**here, name=mark, kind="queue_depth", settings=settings, fault=mark)
    channel = Channel.objects.create(
        **here,
        project=environment.project,
        name=mark,
        kind="webhook",
        address=f"{HOOK}{mark}",
        secret=fields.encrypt("whsec_AAAA"),
    )
    rule.channels.add(channel)
    about = {"rule": rule, "rule_name": mark, "kind": rule.kind, "subject": mark}
    alert = Alert.objects.create(**here, **about, text=mark, facts={"queue": mark}, why_ended=mark)
    told = {"title": mark, "body": mark, "error": mark, "happening": Happening.FIRED, "state": DeliveryState.FAILED}
    delivery = Delivery.objects.create(**here, alert=alert, channel=channel, **told)
    keys = dict.fromkeys(("api-alert-rule", "api-alert-rule-mute", "api-alert-rule-dry-run"), rule.pk)
    keys |= dict.fromkeys(("api-alert-channel", "api-alert-channel-rotate", "api-alert-channel-test"), channel.pk)
    window = Window.objects.create(**here, name=mark, cron="0 2 * * *", minutes=60, all_rules=False)
    window.rules.add(rule)
    keys["api-alert-window"] = window.pk
    bodies = {
        "api-alert-rules": {"name": "more", "kind": "queue_age"},
        "api-alert-rule": {"name": "other"},
        "api-alert-rule-mute": {"until": None},
        "api-alert-dry-run": {"kind": "queue_age"},
        "api-alert-channels": {"name": "more", "kind": "webhook", "address": HOOK},
        "api-alert-channel": {"name": "other"},
        "api-alert-channel-rotate": {"hours": 1},
        "api-alert-windows": {"name": "more", "cron": "0 3 * * *", "minutes": 30},
        "api-alert-window": {"name": "other"},
    }
    return keys | {"api-alert-delivery-resend": delivery.pk}, bodies
