"""Schedules of z4j's own, carried out by a real agent in a real consumer: each due time is one task, and is seen so."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brain import Brain
from tests.store import ROOT

PYTHON = ROOT / ".venv-z4j-huey" / "bin" / "python"
PLACE = "/api/v1/harbor/production/"
PATIENCE = 120


@pytest.fixture
def shop(live_brain: Brain, tmp_path: Path) -> Iterator[Path]:
    """The folder of a consumer whose owner lets the brain run tasks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("Z4J_", "DJANGO_"))}
    told = {"SHOP_FOLDER": str(tmp_path), "Z4J_SPOOL_DIR": str(tmp_path / "agent"), "Z4J_ALLOW": "run"}
    with (tmp_path / "huey.log").open("ab") as log:
        consumer = subprocess.Popen(
            [PYTHON, "-m", "huey.bin.huey_consumer", "own_shop.huey", "-w", "1"],
            cwd=ROOT / "tests" / "live", env=kept | told | {"Z4J_DSN": live_brain.dsn()}, stdout=log, stderr=log,
        )  # fmt: skip
    yield tmp_path
    consumer.terminate()
    consumer.wait(30)


def call(brain: Brain, path: str, body: Any = None) -> Any:
    status, _, answer = brain.request("POST" if body else "GET", PLACE + path, body, who="adam")
    assert status < 300, answer
    return json.loads(answer)


def until(ask: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def test_a_due_time_becomes_one_task_in_the_engine_and_its_run_tells_how_it_went(live_brain, shop):
    name = until(lambda: call(live_brain, "registered/?engine=huey")["results"], "the shop's agent")[0]["name"]
    told = {"source": "z4j", "key": "report", "engine": "huey", "task": name, "args": [7], "kwargs": {"to": "all"}}
    made = call(live_brain, "schedules/", told | {"every": 3, "reason": "to see it"})

    def runs() -> list[dict[str, Any]]:
        return [run for run in call(live_brain, f"schedules/{made['id']}/runs/")["results"] if run["state"] == "ok"]

    until(lambda: len(runs()) >= 2, "two runs that succeeded")
    call(live_brain, f"schedules/{made['id']}/disable/", {"reason": "enough"})
    lines = (shop / "ran").read_text().splitlines()

    assert set(lines) == {"7 all"}
    assert len(lines) >= 2
    tasks = call(live_brain, f"tasks/?task_id={runs()[0]['task_id']}")["results"]
    assert [(task["name"], task["state"]) for task in tasks] == [(name, "succeeded")]
