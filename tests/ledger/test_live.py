"""A brain that runs seals by itself what is recorded, and says so when its database is not the one it signed."""

from __future__ import annotations

import time

from tests.gateway.conftest import execute
from z4j_brain.ledger.states import LogState

PLACE = "/api/v1/harbor/production"


def until(condition, patience=60):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "It did not come true."
        time.sleep(0.02)


def record(brain):
    """Somebody asks for what they may not: that is recorded."""
    body = {"action": "task.retry", "targets": ["1"], "reason": "please"}
    assert brain.request("POST", f"{PLACE}/operations/", body, who="vera")[0] in (403, 404)


def one(brain, statement):
    return execute(brain, statement)[0][0]


def test_what_is_recorded_is_sealed_and_a_database_that_was_put_back_is_not(live_brain):
    record(live_brain)
    until(lambda: one(live_brain, "SELECT count(*) FROM ledger_checkpoint") >= 1)
    until(lambda: one(live_brain, "SELECT count(*) FROM ledger_unsealed") == 0)
    assert live_brain.stop() == 0

    # A memory of more than the database has: it was put back.
    state = live_brain.data_dir / "signer" / "state.json"
    state.write_text(state.read_text().replace('"size": 1', '"size": 1001'))
    live_brain.start()
    until(lambda: execute(live_brain, "SELECT state FROM ledger_standing"))

    assert one(live_brain, "SELECT state FROM ledger_standing") == LogState.ROLLBACK
    record(live_brain)
    assert one(live_brain, "SELECT count(*) FROM ledger_unsealed") >= 1
    assert live_brain.request("GET", f"{PLACE}/tasks/", who="vera")[0] == 200
    assert "log_refused" in live_brain.log and "recovery key" in live_brain.log
