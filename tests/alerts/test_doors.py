"""Alerts as people and programs use them: pages and API from a channel to a message that arrived."""

from __future__ import annotations

import json
import re

import pytest

from tests.alerts import furnished
from tests.alerts.troubles import is_long
from z4j_brain.alerts import sending
from z4j_brain.alerts.models import Alert, Channel, Delivery, Rule
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Role

API = "/api/v1/harbor/production/alerts/"
PAGES = "/harbor/production/alerts/"


@pytest.fixture
def ask(client, cast):
    def ask(method, path, body=None, who="adam"):
        text = json.dumps(body) if body is not None else ""
        return client.generic(method, API + path, text, content_type="application/json", **cast.bearer(who))

    return ask


@pytest.fixture
def as_(client, cast):
    def as_(who):
        cast.sign_in(client, who)
        return client

    return as_


def test_over_the_api_a_rule_comes_to_a_webhook_that_arrives(cast, ask, server, told):
    made = ask("POST", "channels/", {"name": "pager", "kind": "webhook", "address": server.address})
    assert (made.status_code, made.json()["secret"][:6]) == (201, "whsec_")
    channel = made.json()["id"]
    assert "secret" not in ask("GET", f"channels/{channel}/").json()
    assert made.json()["secret"] not in Channel.objects.get().secret

    asked = {"name": "Long", "kind": "queue_depth", "settings": {"depth": 100}, "channels": [channel]}
    assert ask("POST", "dry-run/", {"kind": "queue_depth", "settings": {"depth": 100}}).json()["troubles"] == []
    rule = ask("POST", "rules/", asked)
    assert (rule.status_code, rule.json()["standing"]) == (201, "quiet")
    is_long(cast)
    tried = ask("POST", f"rules/{rule.json()['id']}/dry-run/", who="vera").json()
    (message,) = told()

    assert tried["troubles"][0]["text"] == tried["message"]["data"]["text"] == message["data"]["text"]
    assert ask("GET", "rules/", who="vera").json()["results"][0]["standing"] == "firing"
    (alert,) = ask("GET", "?state=firing", who="vera").json()["results"]
    assert (alert["text"], alert["facts"]["depth"]) == ("500 tasks wait in mail.", 500)
    assert ask("GET", "?state=resolved").json()["results"] == []
    (delivery,) = ask("GET", "deliveries/?state=delivered").json()["results"]
    assert (delivery["code"], delivery["attempts"]) == (200, 1)
    assert ask("POST", f"deliveries/{delivery['id']}/resend/", who="oscar").status_code == 202
    assert ask("POST", f"channels/{channel}/test/").status_code == 202
    sending.turn()
    assert [json.loads(body)["type"] for _, _, body in server.requests] == ["alert.fired", "alert.test"]


def test_who_does_not_manage_the_project_sees_no_address(ask, cast, server):
    furnished.furnish(cast.production, "pager")
    (seen,) = ask("GET", "channels/", who="oscar").json()["results"]
    assert (seen["address"], seen["to"]) == (None, "hooks.example")
    assert ask("GET", "channels/").json()["results"][0]["address"] == f"{furnished.HOOK}pager"


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("rules/", {"name": "x", "kind": "queue_depth", "settings": {"depth": "many"}}, 400, "#/settings/depth"),
        ("rules/", {"name": "x", "kind": "queue_depth", "channels": [999]}, 400, "#/channels"),
        ("rules/", {"name": "pager", "kind": "queue_depth"}, 400, "#/name"),
        ("rules/", {"name": "x", "kind": "weather"}, 400, "#/kind"),
        ("channels/", {"name": "x", "kind": "webhook", "address": "http://example.com"}, 400, "#/address"),
        ("channels/", {"name": "pager", "kind": "webhook", "address": furnished.HOOK}, 400, "#/name"),
        ("dry-run/", {"kind": "absence"}, 400, "#/settings/task"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(ask, cast, path, body, status, pointer):
    furnished.furnish(cast.production, "pager")
    answer = ask("POST", path, body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)


def test_a_rule_tells_no_channel_of_another_environment(ask, cast):
    furnished.furnish(cast.staging, "elsewhere")
    furnished.furnish(cast.island, "foreign")
    for channel in Channel.objects.all():
        asked = {"name": "x", "kind": "queue_depth", "channels": [channel.pk]}
        assert ask("POST", "rules/", asked).status_code == 400
        assert ask("GET", f"channels/{channel.pk}/").status_code == 404
    assert not Rule.objects.filter(environment=cast.production).exists()


def test_who_sees_a_part_only_is_told_nothing_that_counts_all_of_it(ask, cast):
    furnished.furnish(cast.production, "salaries")
    granting.give(cast.production, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)
    for path in ("", "rules/", "channels/", "deliveries/"):
        answer = ask("GET", path, who="stan")
        assert (answer.status_code, "salaries" in answer.content.decode()) == (403, False), path
    assert ask("POST", "dry-run/", {"kind": "queue_depth"}, who="stan").status_code == 403


def test_on_the_pages_a_rule_comes_to_a_webhook_that_arrives(cast, as_, server, told):
    client = as_("adam")
    asked = {"name": "pager", "kind": "webhook", "address": server.address}
    shown = client.post(f"{PAGES}channels/", asked).content.decode()
    assert re.search(r"whsec_[A-Za-z0-9+/]{42,}", shown)
    assert "whsec_" not in client.get(f"{PAGES}channels/").content.decode()

    form = {"name": "Long", "depth": "100", "queue": "", "cooldown_minutes": "15"}
    form["channels"] = str(Channel.objects.get().pk)
    new = f"{PAGES}new/?kind=queue_depth"
    wrong = client.post(new, form | {"depth": "many"})
    assert wrong.status_code == 400
    assert 'value="many"' in wrong.content.decode()
    is_long(cast)
    assert "500 tasks wait in mail." in client.post(new, form | {"do": "try"}).content.decode()
    assert not Rule.objects.exists()
    assert client.post(new, form).status_code == 302

    assert [message["type"] for message in told()] == ["alert.fired"]
    for page in ("", "history/"):
        assert "500 tasks wait in mail." in client.get(PAGES + page).content.decode()
    assert "Long: celery/mail" in client.get(f"{PAGES}channels/").content.decode()


def test_a_rule_is_changed_muted_switched_off_and_deleted_on_its_pages(cast, as_):
    furnished.furnish(cast.production, "long")
    client, rule = as_("adam"), Rule.objects.get()
    form = {"name": "longer", "depth": "7", "queue": "", "cooldown_minutes": "0", "version": "1"}
    at = f"{PAGES}rules/{rule.pk}/"
    assert client.post(at, form).status_code == 302
    stale = client.post(at, form)
    assert (stale.status_code, "Somebody has changed it" in stale.content.decode()) == (400, True)
    assert (Rule.objects.get().settings["depth"], Alert.objects.get().why_ended) == (7, "The rule was changed.")

    as_("oscar").post(f"{at}mute/", {"for": "8h"})
    assert "muted until" in client.get(PAGES).content.decode()
    client.post(f"{at}unmute/")
    assert not Rule.objects.get().is_muted
    assert client.post(f"{at}disable/").status_code == 403
    as_("adam").post(f"{at}disable/")
    assert not Rule.objects.get().enabled
    client.post(f"{at}delete/")
    assert not Rule.objects.exists()


def test_on_its_page_a_channel_is_tested_and_removed_and_a_message_sent_again(cast, as_):
    keys, _ = furnished.furnish(cast.production, "pager")
    channel = keys["api-alert-channel"]
    client = as_("adam")
    client.post(f"{PAGES}deliveries/{keys['api-alert-delivery-resend']}/resend/")
    client.post(f"{PAGES}channels/{channel}/test/")
    assert list(Delivery.objects.values_list("state", flat=True)) == ["pending", "pending"]
    client.post(f"{PAGES}channels/{channel}/remove/")
    assert not Channel.objects.exists()
    assert client.post(f"{PAGES}channels/", {"name": "x", "kind": "pigeon", "address": "y"}).status_code == 400


def test_the_form_of_each_kind_asks_for_its_settings(as_, cast):
    client = as_("olive")
    assert client.get(f"{PAGES}new/").content.decode().count("?kind=") >= 16
    for name in ("percent", "minutes", "least", "queue", "task"):
        assert f'name="{name}"' in client.get(f"{PAGES}new/?kind=failure_rate").content.decode()
    for kind in ("absence", "queue_age", "worker_gone", "schedule_missed", "agent_drops", "audit_health"):
        assert client.get(f"{PAGES}new/?kind={kind}").status_code == 200
