"""Trouble of each kind is told outside, once, and so is its end; whatever receivers do meanwhile."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests import rows
from tests.alerts.troubles import TROUBLES, is_long, tasks
from z4j_brain.alerts import actions, dry, sending, turn
from z4j_brain.alerts.models import Alert, Delivery, Rule
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Kind
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac.actor import SYSTEM


def types(messages):
    return [message["type"] for message in messages]


@pytest.mark.parametrize("kind", Kind.values)
def test_trouble_of_each_kind_is_told_once_and_its_end_once(cast, rule, told, kind):
    settings, happens = TROUBLES[kind]
    rule(kind, settings)
    assert kind == Kind.ABSENCE or told() == []  # what never ran is absent from the beginning

    over = happens(cast)
    message, *more = told()
    assert not more
    assert told() == []
    over()
    ended = told()

    assert (message["type"], types(ended)) == ("alert.fired", ["alert.resolved"])
    data = message["data"]
    assert (data["project"], data["environment"], data["rule"]["kind"]) == ("harbor", "production", kind)
    assert data["text"]
    assert data["alert"] == ended[0]["data"]["alert"]
    assert "secret-argument" not in json.dumps([message, ended])
    assert told() == []
    assert Delivery.objects.filter(state=DeliveryState.DELIVERED, attempts=1, code=200).count() == 2


def test_each_kind_has_its_trouble():
    assert set(TROUBLES) == set(Kind.values)


def test_a_task_that_fails_is_told_of_by_its_name(cast, rule, told):
    rule("failure_rate", {"percent": 50, "minutes": 60, "least": 5, "task": "shop.pay"})
    tasks(cast, "failed", 6)

    (message,) = told()

    assert message["data"]["facts"]["failed"] == message["data"]["facts"]["ended"] == 6
    assert message["data"]["text"].startswith("100 % of shop.pay failed: 6 of 6")


def test_a_message_is_signed_as_standard_webhooks_says(cast, server):
    channel, secret = actions.add_channel(cast.production, "pager", ChannelKind.WEBHOOK, server.address, actor=SYSTEM)
    actions.test_channel(channel, cast.production, actor=SYSTEM)
    sending.turn()

    ((_, headers, body),) = server.requests
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert headers["webhook-id"] == f"msg_{Delivery.objects.get().key.hex}"
    assert json.loads(body)["type"] == "alert.test"


def test_a_receiver_that_fails_is_asked_again_under_the_same_id_and_takes_it_once(cast, rule, server):
    rule("queue_depth", {"depth": 100})
    over = is_long(cast)
    server.status = 500
    turn.look(timezone.now())
    sending.turn()
    first = Delivery.objects.get()
    assert (first.state, first.attempts, first.code) == ("pending", 1, 500)
    assert first.next_at > timezone.now()
    sending.turn()
    assert len(server.requests) == 1  # it is not its time yet

    over()
    turn.look(timezone.now() + timedelta(minutes=1))
    sending.turn()
    assert len(server.requests) == 1  # nobody hears of the end before the beginning

    server.status = 200
    names = [headers["webhook-id"] for _, headers, _ in server.requests]
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(next_at=past)
    sending.turn()
    sending.turn()
    names += [headers["webhook-id"] for _, headers, _ in server.requests[1:]]
    assert (names[0], len(names), len(set(names))) == (names[1], 3, 2)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_what_is_given_up_can_be_sent_again(cast, rule, told, server):
    rule("queue_depth", {"depth": 100})
    is_long(cast)
    server.status = 503
    for _ in range(len(sending.WAITS) + 2):
        told()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("failed", len(sending.WAITS) + 1)

    server.status = 200
    actions.resend(delivery, actor=SYSTEM)
    with pytest.raises(ValidationError, match="on its way"):
        actions.resend(delivery, actor=SYSTEM)
    sending.turn()

    ((_, headers, _),) = server.requests
    assert headers["webhook-id"] == f"msg_{delivery.key.hex}"
    assert Delivery.objects.get().state == "delivered"


def test_who_died_while_sending_has_it_sent_by_another(cast, rule, server, monkeypatch):
    rule("queue_depth", {"depth": 100})
    is_long(cast)
    turn.look(timezone.now())

    class Killed(BaseException):
        """As a process that is killed."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setitem(sending.SEND, ChannelKind.WEBHOOK, killed)
        sending.turn()
    sending.turn()
    assert server.requests == []  # somebody holds it, as far as anybody knows
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    sending.turn()

    assert len(server.requests) == 1
    assert Delivery.objects.get().attempts == 2


def test_a_private_address_is_refused_unless_a_setting_allows_it(cast, rule, server, settings):
    rule("queue_depth", {"depth": 100})
    is_long(cast)
    settings.Z4J_PRIVATE_HOSTS = []
    turn.look(timezone.now())
    sending.turn()

    assert server.requests == []
    assert "private network" in Delivery.objects.get().error
    with pytest.raises(ValidationError):
        actions.add_channel(cast.production, "x", ChannelKind.WEBHOOK, "http://example.com/", actor=SYSTEM)


def test_a_channel_that_is_down_keeps_no_other_waiting(cast, rule, server, told):
    down = server.address.replace(str(server.port), "1")
    dead, _ = actions.add_channel(cast.harbor, "dead", ChannelKind.WEBHOOK, down, actor=SYSTEM)
    made = rule("queue_depth", {"depth": 100})
    made.channels.add(dead)
    is_long(cast)

    assert types(told()) == ["alert.fired"]
    assert "does not answer" in Delivery.objects.get(channel=dead).error


def test_a_muted_rule_begins_nothing_and_tells_when_it_may_again(cast, rule, told):
    made = rule("queue_depth", {"depth": 100})
    actions.mute_rule(made, timezone.now() + timedelta(hours=1), actor=SYSTEM)
    is_long(cast)
    assert told() == []
    actions.mute_rule(made, None, actor=SYSTEM)
    assert types(told()) == ["alert.fired"]


def test_it_tells_again_of_the_same_thing_only_after_its_cooldown(cast, rule, told):
    rule("queue_depth", {"depth": 100}, cooldown_minutes=30)
    is_long(cast)()
    assert told() == []
    over = is_long(cast)
    assert types(told()) == ["alert.fired"]
    over()
    assert types(told()) == ["alert.resolved"]
    is_long(cast)
    assert told() == []

    Alert.objects.update(started_at=timezone.now() - timedelta(minutes=31))

    assert types(told()) == ["alert.fired"]


@pytest.mark.parametrize("how", ["off", "changed", "deleted"])
def test_what_nobody_watches_for_any_more_is_told_to_be_over(cast, rule, told, how):
    made = rule("queue_depth", {"depth": 100})
    is_long(cast)
    assert types(told()) == ["alert.fired"]

    if how == "deleted":
        actions.delete_rule(Rule.objects.get(), actor=SYSTEM)
    else:
        asked = {"enabled": False} if how == "off" else {"settings": {"depth": 10_000}}
        actions.edit_rule(made, asked, None, actor=SYSTEM)

    assert types(told()) == ["alert.resolved"]
    assert Alert.objects.get().why_ended
    assert Alert.objects.get().rule_name == "queue_depth"


def test_a_rule_is_changed_by_one_of_two_who_saw_the_same(cast, rule):
    made = rule("queue_depth", {"depth": 100})
    actions.edit_rule(made, {"name": "long"}, 1, actor=SYSTEM)
    with pytest.raises(Problem) as refused:
        actions.edit_rule(made, {"name": "longer"}, 1, actor=SYSTEM)
    assert (refused.value.status, Rule.objects.get().name) == (412, "long")


def test_a_dry_run_says_what_would_be_told_and_tells_nobody(cast, server, channel):
    is_long(cast)

    tried = dry.run(cast.production, "queue_depth", {"depth": 100})

    assert [trouble.text for trouble in tried.troubles] == ["500 tasks wait in mail."]
    assert tried.message["data"]["facts"]["depth"] == 500
    assert not dry.run(cast.production, "queue_depth", {"depth": 1000}).troubles
    assert not Alert.objects.exists()
    assert not Rule.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("kind", "settings", "pointer"),
    [
        ("queue_depth", {"depth": 0}, "#/settings/depth"),
        ("queue_depth", {"depth": True}, "#/settings/depth"),
        ("queue_depth", {"deep": 1}, "#/settings/deep"),
        ("absence", {}, "#/settings/task"),
        ("failure_rate", {"task": "a", "queue": "b", "minutes": 60}, "#/settings/task"),
        ("failure_rate", {"task": "a", "minutes": 15}, "#/settings/minutes"),
    ],
)
def test_settings_are_those_of_the_kind(cast, kind, settings, pointer):
    with pytest.raises(Problem) as refused:
        actions.create_rule(cast.production, {"name": "x", "kind": kind, "settings": settings}, actor=SYSTEM)
    assert [fault["pointer"] for fault in refused.value.errors] == [pointer]


def test_an_alert_goes_by_mail_where_there_is_a_mail_server(cast, rule, told, settings):
    with pytest.raises(ValidationError, match="Z4J_MAIL_URL"):
        actions.add_channel(cast.production, "mail", ChannelKind.EMAIL, "ops@example.com", actor=SYSTEM)
    settings.EMAIL_HOST = "smtp.example.com"
    by_mail, _ = actions.add_channel(cast.production, "mail", ChannelKind.EMAIL, "ops@example.com", actor=SYSTEM)
    made = rule("queue_depth", {"depth": 100})
    made.channels.set([by_mail])
    over = is_long(cast)
    told()
    over()
    told()

    fired, resolved = mail.outbox
    assert (fired.subject, fired.to) == ("[harbor/production] queue_depth: celery/mail", ["ops@example.com"])
    assert "500 tasks wait in mail." in fired.body
    assert resolved.subject == "[harbor/production] Resolved: queue_depth: celery/mail"
    assert fired.extra_headers["Message-ID"] != resolved.extra_headers["Message-ID"]


def test_a_rule_does_not_look_into_another_environment(cast, rule, told):
    rule("queue_depth", {"depth": 1})
    rows.queue(cast.island, depth=900)
    rows.queue(cast.staging, depth=900)
    assert told() == []


def test_a_rule_that_cannot_be_looked_at_says_so_and_keeps_no_other_from_its_turn(cast, rule, told):
    broken = rule("queue_depth", {"depth": 100})
    rule("worker_gone", TROUBLES["worker_gone"][0])
    Rule.objects.filter(pk=broken.pk).update(settings={})
    is_long(cast)
    TROUBLES["worker_gone"][1](cast)

    assert [message["data"]["rule"]["kind"] for message in told()] == ["worker_gone"]
    assert Rule.objects.get(pk=broken.pk).fault == "It could not be looked at: KeyError."


def test_what_was_over_long_ago_is_forgotten_with_its_messages(cast, rule, told):
    rule("queue_depth", {"depth": 100})
    over = is_long(cast)
    told()
    over()
    told()
    Alert.objects.update(ended_at=timezone.now() - turn.KEPT - timedelta(days=1))
    turn.prune()
    assert not Alert.objects.exists()
    assert not Delivery.objects.exists()
