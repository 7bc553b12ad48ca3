"""`celery beat` and `celery worker --beat` with the real agent, and not a line of code in the app."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from beat_rig import HERE, BeatRig
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening


class PlainRig(BeatRig):
    """The shop without any mention of z4j. The environment alone decides."""

    def start(self, mode=""):
        pass

    @contextmanager
    def running(self, *command, **environ):
        with (self.folder / "celery.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "shop", *command],
                cwd=HERE,
                env={**os.environ, "Z4J_SPOOL_DIR": str(self.folder / "spool"), **environ},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with PlainRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def test_a_dsn_is_all_it_takes(rig):
    command = ("beat", "--pidfile=", "-s", str(rig.folder / "zero"))
    with listening() as sink, rig.running(*command, Z4J_DSN=sink.dsn) as beat:
        told = wait_for(lambda: [one for one in sink.of("schedule.told") if one["schedule"] == "often"], what="it")
        assert told[0]["engine"] == "celerybeat"
        fired = wait_for(lambda: sink.of("schedule.fired"), what="a firing")
        sent = wait_for(lambda: sink.of("task.enqueued", fired[0]["task_id"]), what="its task")
        assert {one["schedule"] for one in sent} == {"often"}
        [beating] = wait_for(lambda: sink.of("scheduler.heartbeat")[:1], what="the heartbeat")
        assert (beating["engine"], beating["data"]["pid"]) == ("celerybeat", beat.pid)
        online = sink.of("agent.online")[-1]["data"]
        assert online["role"] == "scheduler"
        offered = {one["name"]: one["capabilities"] for one in online["engines"]}
        assert "schedule_disable" in offered["celerybeat"]
        assert online["problems"] == []


def test_without_a_dsn_there_is_nothing(rig):
    with rig.running("beat", "--pidfile=", "-s", str(rig.folder / "none")):
        count = rig.fired("often")
        wait_for(lambda: rig.fired("often") > count, what="a firing")
        assert "z4j_schedule" not in rig.sent()[-1]["headers"]
    assert not (rig.folder / "spool" / "none").exists()


def test_the_beat_of_a_worker_is_a_scheduler_of_its_own(rig):
    """It runs in a child."""
    schedule = str(rig.folder / "embedded")
    command = ("worker", "--beat", "-s", schedule, "-c1", "-nw1@test", "-lINFO", "-Q", "orders")
    with listening() as sink:
        with rig.running(*command, Z4J_DSN=sink.dsn):
            wait_for(lambda: sink.of("worker.online"), what="the worker")
            fired = {one["task_id"] for one in wait_for(lambda: sink.of("schedule.fired"), what="a firing")}
            ended = wait_for(
                lambda: [one for one in sink.of("task.succeeded") if one["task_id"] in fired], what="its end"
            )
            assert ended[0]["schedule"] == "often"
            wait_for(lambda: sink.of("scheduler.heartbeat"), what="the heartbeat")
            wait_for(lambda: [one for one in sink.of("schedule.told") if one["schedule"] == "rarely"], what="the list")
        roles = {one["data"]["role"] for one in sink.of("agent.online")}
        assert roles == {"worker", "scheduler"}
