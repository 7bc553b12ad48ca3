"""What every answer carries, and what a brain refuses whoever asks."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests.cast import PASSWORD
from z4j_brain.panel import consumers
from z4j_brain.panel.consumers import Live

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
FILLED = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "1", "slug": "harbor", "str": "x"}


def addresses(patterns, prefix="/"):
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, path)
        else:
            yield path


def filled(path):
    path = path.replace("<slug:environment>", "production").replace("^", "").replace("$", "")
    for kind, value in FILLED.items():
        while f"<{kind}:" in path:
            before, _, rest = path.partition(f"<{kind}:")
            path = before + value + rest.partition(">")[2]
    return path


PATHS = sorted({filled(path) for path in addresses(get_resolver().url_patterns)})


def test_the_walk_finds_the_pages_and_the_api():
    assert {"/account/", "/sign-in/", "/harbor/production/tasks/", "/api/v1/projects/", "/healthz"} <= set(PATHS)


@pytest.mark.parametrize("who", ["olive", ""])
def test_every_answer_carries_the_headers_and_the_api_is_never_kept(cast, who):
    client = Client(raise_request_exception=False)
    for path in PATHS:
        if who:
            cast.sign_in(client, who)
        answer = client.get(path)
        lacking = [name for name, start in HEADERS.items() if not answer.headers.get(name, "").startswith(start)]
        assert not lacking, (path, answer.status_code, lacking)
        if path.startswith("/api/"):
            assert answer["Cache-Control"] == "no-store", path


def test_there_is_one_way_to_prove_oneself_to_the_api_besides_a_session(cast, client):
    basic = {"Authorization": "Basic b2xpdmU6Y29ycmVjdA=="}
    assert client.get("/api/v1/projects/", headers=basic).status_code == 401
    assert configured.REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"] == ["rest_framework.renderers.JSONRenderer"]


def test_nobody_is_led_to_another_site(cast):
    for there in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example/"):
        answer = Client().post(f"/sign-in/?next={there}", {"login": "vera", "password": PASSWORD, "next": there})
        assert answer["Location"] == "/", there


def test_passwords_are_kept_by_argon2id_and_weak_ones_are_refused():
    first = configured.PASSWORD_HASHERS[0] if "Argon2" in configured.PASSWORD_HASHERS[0] else ""
    names = [one["NAME"].rpartition(".")[2] for one in configured.AUTH_PASSWORD_VALIDATORS]

    assert first or "MD5" in configured.PASSWORD_HASHERS[0]  # the settings of tests are fast, and only those
    assert "MinimumLengthValidator" in names and "CommonPasswordValidator" in names


def test_a_new_secret_key_signs_nobody_out_while_the_old_one_is_a_fallback(cast, settings):
    client = Client()
    client.post("/sign-in/", {"login": "vera", "password": PASSWORD})
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key of at least fifty characters, just made " * 2
    settings.SECRET_KEY_FALLBACKS = [old]
    assert client.get("/account/").status_code == 200

    other = Client()
    settings.SECRET_KEY_FALLBACKS = []
    other.cookies = client.cookies
    settings.SECRET_KEY = "a third key of at least fifty characters, just made too " * 2
    assert other.get("/account/").status_code == 302


def test_the_api_takes_so_many_requests_a_minute(cast, client, settings):
    settings.Z4J_API_RATE = 3
    answers = [client.get("/api/v1/projects/", **cast.bearer("vera")) for _ in range(8)]

    refused = [one for one in answers if one.status_code == 429]
    assert refused and refused[0].json()["code"] == "throttled" and int(refused[0]["Retry-After"]) <= 61
    assert client.get("/api/v1/projects/", **cast.bearer("oscar")).status_code == 200


def test_one_person_has_so_many_sockets_and_an_ended_one_makes_room(cast, monkeypatch):
    monkeypatch.setattr(consumers, "MAX_SOCKETS", 2)
    closed = []

    class Socket(Live):
        async def accept(self, *args, **kwargs):
            pass

        async def close(self, code=None, reason=None):
            closed.append(code)

    def opened(user):
        socket = Socket()
        socket.scope = {"user": user, "headers": [(b"host", b"x"), (b"origin", b"http://x")]}
        asyncio.run(socket.connect())
        return socket

    sockets = [opened(cast.user("vera")) for _ in range(3)]
    opened(AnonymousUser())
    assert closed == [4429, 4401]
    asyncio.run(sockets[0].disconnect(1000))
    asyncio.run(sockets[2].disconnect(1000))
    sockets.append(opened(cast.user("vera")))
    assert closed == [4429, 4401]
    for socket in sockets:
        asyncio.run(socket.disconnect(1000))
    assert not Live.held
