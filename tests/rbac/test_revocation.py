"""What is revoked ends by itself: an open page's socket and a waiting agent's poll, however quiet it is around them."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.brain import Brain
from tests.faults.page import websocket
from tests.gateway.conftest import Caller, execute

MEMBERS = "/api/v1/projects/harbor/members/"
GRANTS = "/api/v1/projects/harbor/grants/"
#: A socket is looked after every four seconds, a poll every second; a slow machine may take its time.
PATIENCE = 20


@pytest.fixture(scope="module")
def brain(store, tmp_path_factory):
    brain = Brain(store, tmp_path_factory.mktemp("revocation") / "brain")
    brain.start()
    yield brain
    brain.close()


def ask(brain, method, path, body=None):
    status, _, answer = brain.request(method, path, body, who="olive")
    assert status < 300, answer
    return json.loads(answer) if answer else {}


def take_role_away(brain):
    rows = ask(brain, "GET", MEMBERS)["results"]
    [own] = [row["id"] for row in rows if row["username"] == "oscar"]
    ask(brain, "DELETE", f"{MEMBERS}{own}/")
    return lambda: ask(brain, "POST", MEMBERS, {"username": "oscar", "role": "operator"})


def deny(brain):
    made = ask(brain, "POST", GRANTS, {"username": "oscar", "permission": "view_metadata", "effect": "deny"})
    return lambda: ask(brain, "DELETE", f"{GRANTS}{made['id']}/")


def disable(brain):
    execute(brain, "UPDATE rbac_user SET is_active = ? WHERE username = ?", False, "oscar")
    return lambda: execute(brain, "UPDATE rbac_user SET is_active = ? WHERE username = ?", True, "oscar")


def end_session(brain):
    execute(brain, "DELETE FROM django_session")
    return lambda: None


@pytest.mark.parametrize("revoke", [take_role_away, deny, disable, end_session])
def test_an_open_socket_is_closed_when_its_reader_may_no_longer_know(brain, revoke):
    line = websocket(brain)
    line.settimeout(PATIENCE)

    undo = revoke(brain)
    heard = b""
    while b"\x88" not in heard and (more := line.recv(4096)):
        heard += more

    undo()
    line.close()
    assert heard.endswith(b"\x88\x02" + (4404).to_bytes(2, "big")), heard


def test_a_waiting_poll_is_answered_when_its_key_was_revoked(brain):
    agent = Caller(brain)
    kid = agent.dsn.kid
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(agent.poll, uuid.uuid4(), 30)
        execute(brain, "UPDATE agents_agentkey SET revoked_at = ? WHERE kid = ?", "2020-01-01 00:00:00", kid)

        status, answer = waiting.result(timeout=PATIENCE)

    assert (status, answer["code"]) == (401, "token_revoked")
