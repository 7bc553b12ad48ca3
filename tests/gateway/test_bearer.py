"""Who is not let in: 401 with a code, nothing stored, and a key that ends is over within five seconds."""

from __future__ import annotations

import time
import uuid

import pytest
from z4j_core import dsn, wire

from tests import wire as sent
from tests.gateway.conftest import Caller, execute

PAST = "2020-01-01 00:00:00"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "token_missing"),
        ("Basic dXNlcjpwYXNz", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Bearer nonsense", "token_unknown"),
        ("Bearer z4ja_", "token_unknown"),
        ("Bearer z4ja_000000000000_" + "A" * 43, "token_unknown"),
        ("Bearer z4ju_000000000000_secret_crc", "token_unknown"),
        ("Bearer " + "z4ja_" * 1000, "token_unknown"),
        ("Bearer z4ja_\xff\x00_x", "token_unknown"),
    ],
)
def test_nobody_without_a_key_gets_in_anywhere(brain, authorization, code):
    stranger = Caller(brain)
    stranger.headers = {"Authorization": authorization.replace("\x00", "")}
    doors = [("POST", wire.EVENTS_PATH), ("GET", f"{wire.COMMANDS_PATH}?boot={sent.BOOT}"), ("POST", wire.RESULTS_PATH)]

    for method, path in doors:
        status, problem = stranger.call(method, path, b"{}" if method == "POST" else None)
        assert (status, problem["code"]) == (401, code)


def test_a_wrong_secret_of_a_known_key_is_as_unknown_as_any(agent):
    agent.headers = {"Authorization": f"Bearer {dsn.bearer(agent.dsn.kid, 'guess')}"}

    status, problem = agent.post(sent.batch(sent.event(1, name="guessed")))

    assert (status, problem["code"]) == (401, "token_unknown")
    assert execute(agent.brain, "SELECT count(*) FROM tasks_task WHERE name = 'guessed'") == [(0,)]


@pytest.mark.parametrize(
    ("environment", "project", "column", "code"),
    [("staging", "harbor", "expires_at", "token_expired"), ("production", "island", "revoked_at", "token_revoked")],
)
def test_a_key_that_ends_is_over_within_five_seconds(brain, environment, project, column, code):
    caller = Caller(brain, environment, project)
    assert caller.post(sent.batch(sent.event(1)))[0] == 200

    execute(brain, f"UPDATE agents_agentkey SET {column} = ? WHERE kid = ?", PAST, caller.dsn.kid)
    deadline = time.monotonic() + 5
    while caller.post(sent.batch(sent.event(1), boot=uuid.uuid4()))[0] != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    before = execute(brain, "SELECT count(*) FROM tasks_event")
    status, problem = caller.post(sent.batch(sent.event(2)))
    assert (status, problem["code"]) == (401, code)
    assert caller.poll(sent.BOOT)[0] == 401
    assert execute(brain, "SELECT count(*) FROM tasks_event") == before
