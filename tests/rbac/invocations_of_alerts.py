"""One call of each action on alerts that succeeds for whoever may do it."""

from __future__ import annotations

from tests.cast import Cast
from tests.rbac.invoking import invocation
from z4j_brain.alerts import actions
from z4j_brain.alerts.models import Channel, Delivery, Rule, Window
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Happening

_HOOK = "https://hooks.example/alerts"


def prepare(cast: Cast) -> None:
    """A rule, a channel, and a message that was sent by it."""
    here = {"environment": cast.production}
    Rule.objects.create(**here, name="long", kind="queue_depth", settings={"depth": 100, "queue": ""})
    channel = Channel.objects.create(**here, project=cast.harbor, name="pager", kind="webhook", address=_HOOK)
    Window.objects.create(**here, name="nightly", cron="0 2 * * *", minutes=60)
    told = {"title": "Test", "body": "{}", "happening": Happening.TEST, "state": DeliveryState.FAILED}
    Delivery.objects.create(**here, channel=channel, **told)


@invocation("alert_channel.add")
def add_channel(cast, actor):
    return actions.add_channel(cast.production, "more", ChannelKind.WEBHOOK, _HOOK, actor=actor, reason="because")


@invocation("alert_channel.edit")
def edit_channel(cast, actor):
    return actions.edit_channel(Channel.objects.get(), {"name": "phone"}, actor=actor, reason="because")


@invocation("alert_channel.rotate")
def rotate_secret(cast, actor):
    return actions.rotate_secret(Channel.objects.get(), 24, actor=actor, reason="because")


@invocation("alert_channel.remove")
def remove_channel(cast, actor):
    return actions.remove_channel(Channel.objects.get(), actor=actor, reason="because")


@invocation("alert_channel.test")
def test_channel(cast, actor):
    return actions.test_channel(Channel.objects.get(), cast.production, actor=actor, reason="because")


@invocation("alert_rule.create")
def create_rule(cast, actor):
    asked = {"name": "more", "kind": "queue_age", "settings": {}}
    return actions.create_rule(cast.production, asked, actor=actor, reason="because")


@invocation("alert_rule.edit")
def edit_rule(cast, actor):
    return actions.edit_rule(Rule.objects.get(), {"name": "longer"}, 1, actor=actor, reason="because")


@invocation("alert_rule.delete")
def delete_rule(cast, actor):
    return actions.delete_rule(Rule.objects.get(), actor=actor, reason="because")


@invocation("alert_rule.mute")
def mute_rule(cast, actor):
    return actions.mute_rule(Rule.objects.get(), None, actor=actor, reason="because")


@invocation("alert_window.add")
def add_window(cast, actor):
    asked = {"name": "weekly", "cron": "0 2 * * SUN", "minutes": 30}
    return actions.add_window(cast.production, asked, actor=actor, reason="because")


@invocation("alert_window.edit")
def edit_window(cast, actor):
    return actions.edit_window(Window.objects.get(), {"minutes": 90}, actor=actor, reason="because")


@invocation("alert_window.remove")
def remove_window(cast, actor):
    return actions.remove_window(Window.objects.get(), actor=actor, reason="because")


@invocation("alert_delivery.resend")
def resend(cast, actor):
    return actions.resend(Delivery.objects.get(), actor=actor, reason="because")
