"""How soon an agent has what somebody asks for: from the POST that asks for a retry to the command in its hands.

A brain in one process, which has nothing else to do; an agent that waits in a long-poll over HTTP, as agents do.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from z4j_core import wire  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.bench import rows  # noqa: E402
from tests.brain import Brain  # noqa: E402
from tests.store import Store, open_store  # noqa: E402

DISPATCHES = 100
#: Those before are not counted: what is imported and connected once has been by then.
FIRST = 10
HERE = "/api/v1/harbor/production"


class Agent:
    """It waits, and answers what it is given."""

    def __init__(self, brain: Brain) -> None:
        self.brain, self.boot = brain, uuid.uuid4()
        self.headers = {"Authorization": f"Bearer {brain.agent_bearer()}"}
        vault = str(self.boot)
        failed = [sent.event(seq, "task.failed", f"t{seq}", vault=vault) for seq in range(2, DISPATCHES + FIRST + 2)]
        body = sent.raw(sent.batch(sent.online(1, vault=vault), *failed, boot=self.boot))
        assert brain.request("POST", wire.EVENTS_PATH, body, headers=self.headers)[0] == 200

    def wait(self) -> tuple[dict[str, object], float]:
        path = f"{wire.COMMANDS_PATH}?boot={self.boot}&wait=30&v=1"
        body = self.brain.request("GET", path, headers=self.headers)[2]
        came = time.perf_counter()
        [signed] = json.loads(body)["commands"]
        return sent.opened(signed), came

    def answer(self, command: dict[str, object]) -> None:
        [target] = command["targets"]  # type: ignore[misc]
        told = {"v": 1, "boot": str(self.boot), "command": command["id"], "fence": command["fence"]}
        told["results"] = [{"item": target["item"], "outcome": "done", "new_task_id": "n"}]
        assert self.brain.request("POST", wire.RESULTS_PATH, json.dumps(told).encode(), headers=self.headers)[0] == 200


def measure(store: Store, folder: Path) -> list[float]:
    """Milliseconds of each dispatch, in their order from the least."""
    brain = Brain(store, folder / "brain")
    brain.start()
    try:
        agent = Agent(brain)
        ids = [one["id"] for one in listed(brain)]
        with ThreadPoolExecutor(1) as pool:
            return sorted([dispatch(brain, agent, pool, pk) for pk in ids][FIRST:])
    finally:
        brain.close()


def listed(brain: Brain) -> list[dict[str, object]]:
    return list(
        json.loads(brain.request("GET", f"{HERE}/tasks/?state=failed&page_size=200", who="oscar")[2])["results"]
    )


def dispatch(brain: Brain, agent: Agent, pool: ThreadPoolExecutor, pk: object) -> float:
    waiting: Future[tuple[dict[str, object], float]] = pool.submit(agent.wait)
    time.sleep(0.04)  # until it waits
    began = time.perf_counter()
    asked = {"action": "task.retry", "targets": [pk], "reason": "again"}
    status, _, body = brain.request("POST", f"{HERE}/operations/", asked, who="oscar")
    assert status == 202, body
    command, came = waiting.result()
    agent.answer(command)
    return (came - began) * 1000


def main(kind: str) -> list[rows.Row]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = open_store(Path(folder) / "store")
        try:
            took = measure(store, Path(folder))
        finally:
            store.close()
    name = f"{kind}, from the POST to the agent"
    return [
        rows.at_most(f"{name}, p50", statistics.median(took), "ms", 50),
        rows.at_most(f"{name}, p99", took[int(len(took) * 0.99)], "ms", 250),
    ]


if __name__ == "__main__":
    if kind := os.environ.get("Z4J_TEST_STORE"):
        rows.tell(main(kind))
    else:
        rows.tell(rows.of_both_stores(__file__))
