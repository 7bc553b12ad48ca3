"""Signing in by an identity provider: a real one answers, and its answer has to hold."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from tests.cast import PASSWORD
from tests.panel.provider import Provider
from z4j_brain.ledger.models import Entry
from z4j_brain.lib import identityprovider
from z4j_brain.rbac.models import Membership, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider():
    provider = Provider().start()
    yield provider
    provider.stop()


@pytest.fixture
def configured(provider, settings, cast):
    def configured(**more):
        settings.Z4J_OIDC = identityprovider.read(json.dumps(provider.settings(**more)))
        settings.SOCIALACCOUNT_PROVIDERS = identityprovider.providers(settings.Z4J_OIDC)
        return provider

    return configured


def there(client, path="/sign-in/with/oidc/"):
    """Off to the provider and back: the address at which the browser arrives here again."""
    away = client.get(path)
    assert away.status_code == 302, away.content
    parts = urlsplit(away["Location"])
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("GET", f"{parts.path}?{parts.query}")
    back = urlsplit(connection.getresponse().headers["Location"])
    connection.close()
    return f"{back.path}?{back.query}"


def name_of(client):
    user = client.get("/account/").context
    return user["user"].get_username() if user else ""


def test_whom_the_provider_knows_comes_in_and_sees_nothing(configured, client):
    provider = configured()
    assert "Sign in with Harbor ID" in client.get("/sign-in/").content.decode()

    assert client.get(there(client))["Location"] == "/"

    frieda = User.objects.get(username="frieda")
    assert (name_of(client), frieda.has_usable_password(), frieda.is_staff) == ("frieda", False, False)
    assert not Membership.objects.filter(user=frieda).exists()
    assert client.get("/harbor/production/tasks/").status_code == 404
    assert provider.asked[0]["nonce"] and provider.asked[0]["code_challenge"]
    assert {"user.provision", "session.begin"} <= set(Entry.objects.values_list("action", flat=True))
    client.get(there(client := Client()))
    assert User.objects.filter(username__startswith="frieda").count() == 1


def test_a_name_or_an_address_that_somebody_has_here_makes_nobody_them(configured, client, cast):
    configured().person |= {"preferred_username": "olive", "email": "olive@example.com", "email_verified": True}

    client.get(there(client))

    assert name_of(client) not in ("olive", "")
    assert client.get("/harbor/production/tasks/").status_code == 404


@pytest.mark.parametrize(("verified", "name"), [(True, "olive"), (False, "frieda"), ("true", "frieda")])
def test_an_address_links_where_that_is_configured_and_the_provider_vouches(configured, client, verified, name):
    configured(link_by_email=True).person |= {"email": "olive@example.com", "email_verified": verified}

    client.get(there(client))

    assert name_of(client) == name
    assert Entry.objects.filter(action="user.link").exists() == (name == "olive")
    assert Client().post("/sign-in/", {"login": "olive", "password": PASSWORD}).status_code == 302


NOW = int(time.time())
LIES = {
    "another nonce": {"nonce": "guessed"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "another application"},
    "one of several": {"aud": ["z4j", "another"], "azp": "another"},
    "expired": {"exp": NOW - 600},
    "no end": {"exp": None},
    "of tomorrow": {"iat": NOW + 86_400, "nbf": NOW + 86_400},
    "nobody": {"sub": None},
    "somebody else": {"sub": "8"},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_identity_token_that_does_not_hold_is_refused(configured, client, lie):
    configured().lies = LIES[lie]

    answer = client.get(there(client))

    assert "Nobody is signed in" in answer.content.decode()
    assert not name_of(client) and not User.objects.filter(username="frieda").exists()


@pytest.mark.parametrize("how", ["none", "by the public key", "another key"])
def test_a_signature_that_the_provider_did_not_make_is_refused(configured, client, how):
    provider = configured()
    if how == "none":
        provider.algorithm, provider.signs_with = "none", ""
    elif how == "by the public key":
        provider.algorithm, provider.signs_with = "HS256", json.dumps(provider.keys()["keys"][0]).encode()
    else:
        provider.signs_with = generate_private_key(65537, 2048)

    assert "Nobody is signed in" in client.get(there(client)).content.decode()
    assert not name_of(client)


def test_a_provider_that_says_that_it_is_another_one_is_not_believed(configured, client):
    configured().discovery = {"issuer": "https://evil.example"}

    assert "Nobody is signed in" in client.get(there(client)).content.decode()


def test_the_way_back_works_once_and_only_in_the_browser_that_left(configured, client):
    configured()
    back = there(client)

    assert "Nobody is signed in" in Client().get(back).content.decode()
    assert client.get(back).status_code == 302
    client.post("/sign-out/")
    assert "Nobody is signed in" in client.get(back).content.decode()
    assert not name_of(client)


def test_no_parameter_of_the_address_changes_what_is_asked(configured, client):
    configured()
    there(client, "/sign-in/with/oidc/?process=connect&scope=everything&auth_params=prompt%3Dnone&next=//evil.example")

    asked = configured().asked[0]
    assert "prompt" not in asked and "everything" not in asked["scope"]


def test_a_provider_that_is_away_is_said(configured, client):
    configured().stop()

    assert "Nobody is signed in" in client.get("/sign-in/with/oidc/", follow=True).content.decode()


def test_whoever_has_no_password_confirms_at_the_provider(configured, client):
    provider = configured()
    client.get(there(client))
    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    asked = client.get("/account/app/add/")["Location"]
    assert client.get(asked)["Location"] == "/sign-in/with/oidc/again/?next=%2Faccount%2Fapp%2Fadd%2F"

    back = there(client, "/sign-in/with/oidc/again/?next=/account/app/add/")
    assert (provider.asked[-1]["prompt"], provider.asked[-1]["max_age"]) == ("login", "0")
    assert client.get(back)["Location"] == "/account/app/add/"
    assert client.get("/account/app/add/").status_code == 200


@pytest.mark.parametrize("asked_at", [None, NOW - 3600, NOW + 3600], ids=["never", "before", "later"])
def test_an_answer_for_which_the_provider_did_not_ask_is_no_fresh_proof(configured, client, asked_at):
    configured().lies = {"auth_time": asked_at}
    client.get(there(client))
    assert name_of(client) == "frieda"

    assert client.get("/account/app/add/")["Location"].startswith("/account/confirm/")


def test_what_was_kept_is_not_done_for_an_answer_that_was_asked_for_otherwise(configured, client):
    configured()
    client.get(there(client))
    session = client.session
    session["account_reauthentication_state"] = {"callback": "what.was.kept", "state": {}}
    session.save()

    assert client.get(there(client))["Location"] == "/"
    assert "account_reauthentication_state" not in client.session


COUNTS = {"second_factors": ["mfa", "otp", "hwk"]}


@pytest.mark.parametrize(
    ("more", "amr", "lets_in"),
    [
        (COUNTS, ["pwd", "mfa"], True),
        (COUNTS, ["hwk"], True),
        (COUNTS, ["pwd"], False),
        (COUNTS, "mfa", False),
        (COUNTS, None, False),
        ({}, ["pwd", "mfa"], False),
    ],
)
def test_a_second_factor_of_the_providers_counts_only_where_the_settings_say_so(
    configured, client, settings, more, amr, lets_in
):
    settings.Z4J_MFA = ["everybody"]
    configured(**more).lies = {"amr": amr}

    client.get(there(client))

    assert name_of(client) == "frieda"
    assert (client.get("/").headers.get("Location", "") != "/account/") is lets_in


def test_a_second_factor_of_the_providers_is_as_old_as_it_says(configured, client, settings):
    settings.Z4J_MFA = ["everybody"]
    provider = configured(**COUNTS)
    provider.lies = {"amr": ["mfa"], "auth_time": NOW - 3600}
    client.get(there(client))
    asked = client.get("/account/app/add/")["Location"]
    assert client.get(asked)["Location"].startswith("/sign-in/with/oidc/again/")

    provider.lies = {"amr": ["mfa"]}
    client.get(there(client, "/sign-in/with/oidc/again/?next=/account/app/add/"))

    assert client.get("/account/app/add/").status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"issuer": "https://x"}',
        '{"issuer": "http://id.example", "client_id": "z"}',
        '{"isuer": "https://x"}',
        '{"issuer": "https://x", "client_id": "z", "second_factors": ["pwd"]}',
    ],
)
def test_a_wrong_setting_stops_the_start(text):
    with pytest.raises(ImproperlyConfigured):
        identityprovider.read(text)
