"""What is dangerous takes a proof of who asks that is at most ten minutes old."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from tests.cast import PASSWORD
from z4j_brain.agents import actions as agents
from z4j_brain.agents.models import AgentKey
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac import fresh
from z4j_brain.rbac.action import REGISTRY, Refused
from z4j_brain.rbac.actor import COMMAND_LINE, Actor
from z4j_brain.rbac.models import Token
from z4j_brain.rbac.states import Permission

pytestmark = pytest.mark.django_db
CONNECT = "/harbor/production/connect/"


def olive(cast, **ago):
    """Olive, who gave each proof so many seconds ago."""
    proofs = {kind: int(time.time()) - seconds for kind, seconds in ago.items()}
    return Actor.of_user(cast.user("olive"), proofs=proofs)


def give_factor(cast, name="olive"):
    Authenticator.objects.create(user=cast.user(name), type=Authenticator.Type.TOTP, data={"secret": ""})


def rule(actor, demand=fresh.Fresh.ALL):
    decision = fresh.refusal(actor, demand)
    return decision.rule if decision else ""


def test_a_password_counts_for_ten_minutes_where_there_is_no_second_factor(cast):
    assert rule(olive(cast, password=590)) == rule(olive(cast, oidc=590)) == ""
    assert rule(olive(cast)) == rule(olive(cast, password=610)) == rule(olive(cast, password=-60)) == "fresh_mfa"


def test_whoever_has_a_second_factor_gives_it(cast):
    give_factor(cast)

    assert rule(olive(cast, password=1)) == rule(olive(cast, password=1, mfa=610)) == "fresh_mfa"
    assert rule(olive(cast, mfa=590)) == ""


@pytest.mark.parametrize(
    ("demand", "expected"), [(["owner"], "mfa_required"), (["everybody"], "mfa_required"), (["auditor"], "")]
)
def test_where_the_role_demands_a_second_factor_a_password_does_not_do(cast, settings, demand, expected):
    settings.Z4J_MFA = demand

    assert rule(olive(cast, password=1)) == expected
    give_factor(cast)
    assert rule(olive(cast, mfa=1)) == ""


def test_tokens_never_or_only_where_an_action_lets_them(cast):
    token = Actor.of_token(Token.objects.get(user=cast.user("olive")))

    assert rule(token) == "token_never"
    assert rule(token, fresh.Fresh.PEOPLE) == rule(COMMAND_LINE) == ""


def test_what_is_dangerous_demands_it():
    demanding = {"member.set_role", "token.mint", "agent_key.mint", "agent_key.revoke", "queue.purge"}

    assert demanding <= {name for name, info in REGISTRY.items() if info.fresh}


def test_a_refusal_is_recorded_and_changes_nothing(cast):
    with pytest.raises(Refused):
        agents.mint_key(cast.production, name="more", actor=olive(cast))

    assert (Entry.objects.get().outcome, AgentKey.objects.filter(name="more").exists()) == ("refused", False)
    assert agents.mint_key(cast.production, name="more", actor=olive(cast, password=1))


@pytest.mark.parametrize("query", ["", "?with=rq"])
def test_in_the_panel_one_is_asked_and_goes_on_with_what_one_did(cast, query):
    client = Client()
    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")

    asked = client.post(CONNECT + query, {"name": "box-7"}, follow=True)
    assert asked.redirect_chain[-1][0].startswith("/account/confirm/password/?next=")
    wrong = client.post(asked.redirect_chain[-1][0], {"password": "wrong"})
    assert not AgentKey.objects.filter(name="box-7").exists() and wrong.status_code == 200
    done = client.post(asked.redirect_chain[-1][0], {"password": PASSWORD})

    assert "z4ja_" in done.content.decode()
    assert AgentKey.objects.get(name="box-7")


def test_the_api_says_where_to_confirm(cast):
    client = Client()
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")
    body = {"name": "script", "scopes": [Permission.VIEW.value]}

    refused = client.post(reverse("api-tokens"), body, content_type="application/json")

    assert (refused.status_code, refused.json()["code"]) == (403, "fresh_mfa")
    assert "/account/confirm/" in refused.json()["detail"]
    cast.sign_in(client, "vera")
    assert client.post(reverse("api-tokens"), body, content_type="application/json").status_code == 201


def test_whoever_lacks_the_factor_that_their_role_demands_can_only_make_one(cast, settings):
    settings.Z4J_MFA = ["owner"]
    client, vera = cast.sign_in(Client(), "olive"), cast.sign_in(Client(), "vera")

    assert client.get("/harbor/production/tasks/")["Location"] == "/account/"
    assert client.get("/api/v1/projects/").json()["code"] == "mfa_required"
    assert client.get("/account/app/add/").status_code == 200
    assert vera.get("/harbor/production/tasks/").status_code == 200
