"""A channel is changed on a page of its own, and what its webhooks are signed with is replaced without a gap."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests.alerts.test_doors import PAGES, as_, ask
from z4j_brain.alerts import actions, sending, turn
from z4j_brain.alerts.models import Channel
from z4j_brain.alerts.states import ChannelKind
from z4j_brain.lib import fields
from z4j_brain.rbac.actor import SYSTEM

__all__ = ["as_", "ask"]


def signature(secret, headers, body):
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}"


@pytest.fixture
def sent(cast, server):
    """The signatures of one more message, and who else would have signed it so."""

    def sent(*secrets):
        actions.test_channel(Channel.objects.get(), cast.production, actor=SYSTEM)
        sending.turn()
        _, headers, body = server.requests[-1]
        return headers["webhook-signature"].split(), [signature(secret, headers, body) for secret in secrets]

    return sent


def test_for_a_time_two_secrets_sign_and_then_the_new_one_alone(cast, channel, server, sent, ask):
    first = fields.decrypt(channel.secret)
    answer = ask("POST", f"channels/{channel.pk}/rotate/", {"hours": 24}).json()
    second = answer["secret"]
    assert first != second
    assert answer["secret_before_until"] > timezone.now().isoformat()
    signed, expected = sent(second, first)
    assert signed == expected

    third = ask("POST", f"channels/{channel.pk}/rotate/", {"hours": 24}).json()["secret"]
    signed, expected = sent(third, second)
    assert signed == expected  # the first signs nothing any more

    Channel.objects.update(secret_before_until=timezone.now() - timedelta(seconds=1))
    signed, expected = sent(third)
    assert signed == expected
    turn.prune()
    assert (Channel.objects.get().secret_before, Channel.objects.get().secret_before_until) == ("", None)


def test_at_once_the_secret_before_signs_nothing_more(cast, channel, sent):
    second = actions.rotate_secret(channel, 0, actor=SYSTEM)
    signed, expected = sent(second)
    assert signed == expected
    assert Channel.objects.get().secret_before == ""


@pytest.mark.parametrize("hours", [-1, actions.LONGEST_OVERLAP + 1])
def test_two_secrets_sign_for_a_week_at_most(channel, hours):
    with pytest.raises(ValidationError, match="168"):
        actions.rotate_secret(channel, hours, actor=SYSTEM)


def test_only_webhooks_have_a_secret_to_replace(cast, settings):
    settings.EMAIL_HOST = "smtp.example.com"
    mail, _ = actions.add_channel(cast.production, "mail", ChannelKind.EMAIL, "ops@example.com", actor=SYSTEM)
    with pytest.raises(ValidationError, match="webhooks"):
        actions.rotate_secret(mail, 1, actor=SYSTEM)


def test_on_its_page_a_channel_is_changed_and_its_new_secret_shown_once(cast, channel, as_):
    client, at = as_("adam"), f"{PAGES}channels/{channel.pk}/"
    assert "whsec_" not in client.get(at).content.decode()
    form = {"name": "phone", "address": "https://hooks.example/other"}
    assert client.post(at, form | {"address": "http://hooks.example/"}).status_code == 400
    assert client.post(at, form).status_code == 302
    assert Channel.objects.values("name", "address", "secret").get() == form | {"secret": channel.secret}

    shown = client.post(f"{at}rotate/", {"hours": "24"}).content.decode()
    (secret,) = set(re.findall(r"whsec_[A-Za-z0-9+/]{42,}=*", shown))
    assert fields.decrypt(Channel.objects.get().secret) == secret
    assert "two signatures" in shown
    again = client.get(at).content.decode()
    assert ("whsec_" in again, "the one before ends" in again) == (False, True)


def test_on_its_page_the_address_of_a_service_stays_hidden_and_stays(cast, as_):
    address = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    client = as_("adam")
    asked = {"name": "chat", "kind": "service", "address": address}
    assert client.post(f"{PAGES}channels/", asked | {"address": "slack://bad"}).status_code == 400
    assert client.post(f"{PAGES}channels/", asked).status_code == 302
    channel = Channel.objects.get()
    at = f"{PAGES}channels/{channel.pk}/"
    for page in (at, f"{PAGES}channels/"):
        shown = client.get(page).content.decode()
        assert ("Slack" in shown, "A1BRTD4JD" in shown) == (True, False)
    assert client.post(at, {"name": "chat of ops", "address": ""}).status_code == 302
    assert fields.decrypt(Channel.objects.get().secret) == address


def test_who_does_not_manage_the_project_changes_and_replaces_nothing(cast, channel, as_, ask):
    client, at = as_("oscar"), f"{PAGES}channels/{channel.pk}/"
    assert [client.get(at).status_code, client.post(f"{at}rotate/").status_code] == [403, 403]
    assert ask("POST", f"channels/{channel.pk}/rotate/", {}, who="oscar").status_code == 403
    assert Channel.objects.get().secret == channel.secret
