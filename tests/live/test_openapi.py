"""The API is asked whatever its own description allows, and much that it does not: it answers, and never fails."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain
from tests.store import Store

SOAK = bool(os.environ.get("Z4J_SOAK"))
#: Of each way of asking: how many times with made-up values. The same ones each time, but for the soak's.
EXAMPLES = 50 if SOAK else 2
PLACE = {"project": "harbor", "environment": "production", "slug": "harbor"}


@pytest.fixture
def brain(store: Store, tmp_path: Path) -> Iterator[Brain]:
    """With a worker that answers, tasks that failed and a measured queue: something to be asked about."""
    brain = Brain(store, tmp_path / "brain")
    brain.start()
    tasks = [sent.event(number, "task.failed", f"t{number}", name="shop.pay", queue="mail") for number in range(2, 20)]
    worker = {"kind": "worker.online", "engine": "celery", "worker": "mail-1", "ts": sent.now(), "seq": 20}
    worker["data"] = {"started": sent.now(), "queues": ["mail"], "tasks": [{"name": "shop.pay"}]}
    queue = {"kind": "queue.snapshot", "engine": "celery", "queue": "mail", "ts": sent.now(), "seq": 21}
    queue["data"] = {"depth": 3}
    body = sent.zipped(sent.batch(sent.online(1), *tasks, worker, queue, boot=uuid.uuid4()))
    headers = {"Authorization": f"Bearer {brain.agent_bearer()}", "Content-Encoding": "gzip"}
    assert brain.request("POST", wire.EVENTS_PATH, body, headers=headers)[0] == 200
    yield brain
    brain.close()


def test_nothing_that_anybody_asks_of_the_api_makes_it_fail(brain, tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text("[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in PLACE.items()))
    seed = () if SOAK else ("--seed", "1")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"),
            f"{brain.url}/api/v1/schema/",
            *("--header", f"Authorization: Bearer {brain.tokens['olive']}"),
            *("--checks", "not_a_server_error", "--phases", "fuzzing", "--max-examples", str(EXAMPLES)),
            *("--continue-on-failure", "--no-color", "--request-timeout", "60", *seed),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}\n{brain.log[-4000:]}"
    assert "Tested: " in done.stdout
