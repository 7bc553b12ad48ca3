"""Every consumer of the websocket, tried by everybody: the table says who gets in, and who hears of which place."""

from __future__ import annotations

import csv
import inspect
import itertools
import json
import re
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import connections
from django.test import Client

from tests.cast import PLACES
from tests.rbac import company
from tests.rbac.company import EVERYBODY, MEMBERS, TOKENS
from z4j_brain.asgi import websocket_application
from z4j_brain.panel.consumers import Live
from z4j_brain.urls import websocket_urlpatterns

ROWS = list(csv.DictReader(Path(__file__).with_name("sockets.csv").read_text().splitlines()))
TABLE = {(row["consumer"], row["said"]): row for row in ROWS}
#: An address at which each consumer is found.
PATHS = {"Live": "/ws/", "Nowhere": "/elsewhere/"}
ALL_PLACES = ["/".join(place) for place in PLACES]
#: By message that a consumer understands: all that may be said with it, here and in a place that does not exist.
VERBS = {"Live": {"subscribe": [*ALL_PLACES, "nowhere/production"]}, "Nowhere": {}}

pytestmark = pytest.mark.django_db


def consumers():
    """The consumers by name, from the routing itself."""
    found = [pattern.callback.consumer_class for pattern in websocket_urlpatterns]
    return {consumer.__name__: consumer for consumer in found}


def talk(path, headers, said):
    """What the websocket answers first of all to a page of its own origin: open, refused, a code, or what it says."""
    heard = []
    message = {"type": "websocket.receive", "text": json.dumps({"subscribe": said})}
    coming = [{"type": "websocket.connect"}, *([message] if said else [])]

    async def receive():
        return coming.pop(0) if coming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        heard.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"), *headers]
    scope = {"type": "websocket", "path": path, "headers": headers}
    # On this thread, so that it finds the rows of the test.
    async_to_sync(websocket_application)(scope, receive, send)
    if heard[0]["type"] != "websocket.accept":
        return "refused"
    if len(heard) == 1:
        return "open"
    return str(heard[1]["code"]) if "code" in heard[1] else json.loads(heard[1]["text"])["kind"]


@pytest.fixture
def kept(db, monkeypatch):
    """Channels tidies connections up around each look-up, and would end the transaction in which the test stands."""
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", False)
    monkeypatch.setattr(connections["default"], "close_at", None)


@pytest.fixture
def proofs(cast, kept):
    """By everybody: the headers by which they prove who they are."""
    company.join(cast)
    found = {"nobody": []}
    for who in set(EVERYBODY) - {"nobody"}:
        if who in TOKENS:
            found[who] = [(b"authorization", f"Bearer {cast.tokens[who]}".encode())]
            continue
        cookies = cast.sign_in(Client(), who).cookies
        found[who] = [(b"cookie", "; ".join(f"{key}={one.value}" for key, one in cookies.items()).encode())]
    return found


def test_the_table_has_every_consumer_and_everything_that_can_be_said_to_it():
    assert {name for name, _ in TABLE} == set(consumers()) == set(PATHS)
    assert all(list(row) == ["consumer", "said", *EVERYBODY] and None not in row.values() for row in ROWS)
    for name, verbs in VERBS.items():
        assert {said for one, said in TABLE if one == name} == {"", *itertools.chain(*verbs.values())}


def test_no_consumer_understands_more_than_the_table_knows():
    """What a page says reaches one method, and that reads two words."""
    own = inspect.getsource(Live.receive_json)
    assert re.findall(r"content\.get\(([^),]+)", own) == ['"subscribe"', '"watch"']
    assert "content[" not in own
    assert not issubclass(consumers()["Nowhere"], AsyncJsonWebsocketConsumer)


def test_the_table_lets_nobody_hear_of_a_foreign_place():
    for place in ALL_PLACES:
        strangers = ["stan", "ines"] if place.startswith("harbor/") else [*MEMBERS, "ines"]
        assert {TABLE["Live", place][who] for who in strangers} == {"4404"}


def test_the_table_decides_who_hears(proofs):
    for (consumer, said), row in TABLE.items():
        told = {who: talk(PATHS[consumer], proofs[who], said) for who in EVERYBODY}
        assert told == {who: row[who] for who in EVERYBODY}, (consumer, said)
