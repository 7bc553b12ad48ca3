"""What people and scripts may send to the panel, at its worst: always an answer, never a 5xx, nothing in the log."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.urls import reverse

from tests import rows
from z4j_brain.asgi import websocket_application

GARBAGE = ["²", "9" * 30, "9" * 5000, "-1", "a\0b", "٣", "' OR 1=1--", "%00", "🙂" * 300, "{}"]
#: Pages of an environment, and what they read from the address.
READ = {
    "tasks": ("q", "state", "name", "queue", "worker", "engine", "error", "since", "cursor"),
    "operations": ("cursor",),
    "agents": ("cursor",),
    "workers": ("cursor", "by", "code", "engine", "host", "gone"),
    "queues": ("cursor",),
    "connect": ("with",),
    "jump": ("q",),
    "ask": ("target", "q", "since", "rate", "operation"),
}


@pytest.fixture
def olive(client, cast):
    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def address(page):
    more = {"action": "task.retry"} if page == "ask" else {}
    return reverse(page, kwargs={"project": "harbor", "environment": "production", **more})


@pytest.mark.parametrize("garbage", GARBAGE)
def test_no_garbage_in_an_address_is_answered_with_a_5xx(olive, garbage):
    for page, names in READ.items():
        for name in names:
            assert olive.get(address(page), {name: garbage}).status_code < 500, (page, name)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_no_garbage_in_a_form_is_answered_with_a_5xx(olive, cast, garbage):
    task = rows.task(cast.production)
    forms = [
        ("connect", {"name": garbage}),
        ("ask", {"target": garbage}),
        ("ask", {"target": task.pk, "reason": garbage}),
        ("ask", {"target": task.pk, "preview": garbage, "confirm": garbage, "args": garbage}),
    ]
    for page, form in forms:
        assert olive.post(address(page), form).status_code < 500, form


def talk(path, *messages):
    """What the websocket answers to a page of its own origin that nobody is signed in on."""
    heard = []
    coming = [{"type": "websocket.connect"}, *({"type": "websocket.receive", **message} for message in messages)]

    async def receive():
        return coming.pop(0) if coming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        heard.append((message["type"], message.get("code")))

    headers = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1")]
    asyncio.run(websocket_application({"type": "websocket", "path": path, "headers": headers}, receive, send))
    return heard


@pytest.mark.parametrize(
    "message",
    [
        {"text": "{nope"},
        {"text": "[" * 5000},
        {"text": json.dumps({"subscribe": "a\0b/production"})},
        {"text": json.dumps({"subscribe": "\ud800/production"})},
        {"text": json.dumps({"subscribe": ["harbor"]})},
        {"bytes": b"\xff"},
    ],
)
def test_a_message_that_makes_no_sense_ends_the_socket_quietly(db, message):
    assert talk("/ws/", message)[-1] == ("websocket.close", 4400)


def test_there_is_no_socket_at_any_other_address(db):
    assert talk("/ws/x/") == [("websocket.close", None)]
