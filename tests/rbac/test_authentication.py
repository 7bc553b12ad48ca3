from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.decorators import api_view, permission_classes
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from z4j_brain.rbac import actions
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.authentication import SignedIn
from z4j_brain.rbac.models import Token, User
from z4j_brain.rbac.states import Permission


@api_view()
@permission_classes([SignedIn])
def whoami(request):
    actor = Actor.of(request)
    return Response({"type": actor.type, "name": actor.name})


@pytest.fixture
def call(cast):
    def call(text):
        headers = {"HTTP_AUTHORIZATION": f"Bearer {text}"} if text is not None else {}
        response = whoami(APIRequestFactory().get("/", **headers))
        if hasattr(response, "render"):
            response.render()
        return response

    return call


def code(response):
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"].startswith("Bearer")
    return json.loads(response.content)["code"]


def test_a_token_speaks_for_its_person(cast, call):
    response = call(cast.tokens["vera"])

    assert response.data == {"type": "token", "name": "vera (all)"}
    assert Token.objects.get(user=cast.user("vera")).last_used_at is not None


def test_nobody_gets_in_without_one(call):
    assert code(call(None)) == "not_authenticated"


@pytest.mark.parametrize("change", ["drop the checksum", "other secret", "other kid", "noise", "not ascii", "empty"])
def test_what_only_looks_like_a_token_is_unknown(cast, call, change):
    prefix, kid, secret, crc = cast.tokens["vera"].split("_")
    fresh = actions.new_token()[2].split("_")
    text = {
        "drop the checksum": "_".join([prefix, kid, secret]),
        "other secret": "_".join([prefix, kid, fresh[2], crc]),
        "other kid": "_".join(fresh),
        "noise": "z4ju_" * 50,
        "not ascii": "z4ju_ü_ß_0",
        "empty": "",
    }[change]

    assert code(call(text)) == "token_unknown"


def test_a_revoked_token_ends_at_once(cast, call):
    vera = cast.user("vera")
    _, text = actions.mint_token(vera, name="x", scopes=[Permission.VIEW], actor=cast.actor("vera"))
    assert call(text).status_code == 200

    actions.revoke_token(Token.objects.get(user=vera, name="x"), actor=cast.actor("vera"))

    assert code(call(text)) == "token_revoked"


def test_an_expired_token_says_so(cast, call):
    Token.objects.filter(user=cast.user("vera")).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert code(call(cast.tokens["vera"])) == "token_expired"


def test_the_token_of_a_disabled_person_is_unknown(cast, call):
    User.objects.filter(username="vera").update(is_active=False)

    assert code(call(cast.tokens["vera"])) == "token_unknown"


def test_the_database_keeps_no_token_that_could_be_used(cast):
    _, _, secret, _ = cast.tokens["vera"].split("_")

    assert secret not in str(list(Token.objects.values_list()))


def test_no_token_mints_tokens(cast):
    bearer = Actor.of_token(Token.objects.get(user=cast.user("vera")))

    with pytest.raises(Refused):
        actions.mint_token(cast.user("vera"), name="x", scopes=[Permission.VIEW], actor=bearer)


def test_a_view_that_does_not_say_whom_it_lets_in_lets_in_nobody(cast):
    @api_view()
    def forgotten(request):
        return Response({})

    answers = [forgotten(APIRequestFactory().get("/", **headers)) for headers in ({}, cast.bearer("olive"))]

    assert [answer.status_code for answer in answers] == [401, 403]
