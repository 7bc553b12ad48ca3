"""`celery worker` with the real agent, and not a line of code in the app."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from celery_rig import HERE, CeleryRig
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening


class PlainRig(CeleryRig):
    """The shop without any mention of z4j. The environment alone decides."""

    def start(self, mode=""):
        pass

    def worker(self, **environ):
        return self.celery("worker", "-c2", "-nw1@test", "-lWARNING", **environ)

    def celery(self, *command, **environ):
        with (self.folder / "celery.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "shop", *command],
                cwd=HERE,
                env={**os.environ, "Z4J_SPOOL_DIR": str(self.folder / "spool"), **environ},
                stdout=log,
                stderr=log,
            )

    def run(self, task, *args):
        return self.app.send_task(f"shop.{task}", args)


@pytest.fixture
def rig(tmp_path):
    with PlainRig(tmp_path) as rig:
        yield rig


def _offers(online, verb):
    return online["data"]["engines"][0]["capabilities"].get(verb)


def test_a_dsn_is_all_it_takes(rig):
    with listening() as sink:
        worker = rig.worker(Z4J_DSN=sink.dsn)
        try:
            sent = rig.run("count", "ran")
            wait_for(lambda: sink.of("task.succeeded", sent.id), what="the events")
            (online,) = wait_for(lambda: sink.of("worker.online"), what="the worker")
            assert online["data"]["queues"] == ["orders"]
            agent = wait_for(lambda: [one for one in sink.of("agent.online") if _offers(one, "cancel")])[-1]
            assert _offers(agent, "cancel")["note"] == "kills the child process when running"
            assert sink.of("task.received", sent.id)[0]["vault"] == agent["data"]["vault"]
            assert sink.of("task.received", sent.id)[0]["args"] == "(str[3],)"
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
        assert sink.of("worker.offline")


def test_a_brain_that_is_away_changes_nothing(rig):
    worker = rig.worker(Z4J_DSN="http://z4ja_away_secret@127.0.0.1:9/shop/production?key=none")
    try:
        assert rig.run("ok", 7).get(timeout=30) == 7
    finally:
        started = time.monotonic()
        worker.terminate()
        assert worker.wait(60) == 0
    assert time.monotonic() - started < 20


def test_without_a_dsn_there_is_nothing(rig):
    worker = rig.worker()
    try:
        assert rig.run("ok", 7).get(timeout=30) == 7
        assert not (rig.folder / "spool").exists()
    finally:
        worker.terminate()
        assert worker.wait(60) == 0


def test_beat_reports_what_it_sends(rig):
    with listening() as sink:
        beat = rig.celery("beat", "-s", str(rig.folder / "schedule"), Z4J_DSN=sink.dsn)
        try:
            wait_for(lambda: sink.of("task.enqueued"), what="the first tick")
            assert sink.of("agent.online")[-1]["data"]["role"] == "scheduler"
            assert sink.of("task.enqueued")[0]["name"] == "shop.ok"
        finally:
            beat.terminate()
            beat.wait(60)


POOLS = {
    "children that are replaced after three tasks": ("-c2", "--max-tasks-per-child=3"),
    "threads": ("-c2", "-P", "threads"),
    "solo": ("-c1", "-P", "solo"),
    "gevent": ("-c10", "-P", "gevent"),
}


@pytest.mark.parametrize("options", POOLS.values(), ids=POOLS)
def test_every_pool_reports_every_task_to_the_last(rig, options):
    with listening() as sink:
        worker = rig.celery("worker", "-nw1@test", "-lWARNING", *options, Z4J_DSN=sink.dsn)
        try:
            sent = [rig.run("ok", number) for number in range(40)]
            assert [result.get(timeout=60) for result in sent] == list(range(40))
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
        for kind in ("task.received", "task.started", "task.succeeded"):
            assert sorted(event["task_id"] for event in sink.of(kind)) == sorted(result.id for result in sent), kind


def spooled(rig, kind):
    """How many events of a kind lie in the spool of the rig's worker."""
    found = 0
    for path in (rig.folder / "spool").rglob("*-*-*.db"):
        with closing(sqlite3.connect(path)) as spool:
            found += sum(kind in body for (body,) in spool.execute("SELECT body FROM event"))
    return found


def test_a_worker_that_was_killed_is_spoken_for_by_the_next(rig):
    with listening() as sink:
        away = rig.worker(Z4J_DSN="http://z4ja_sink_secret@127.0.0.1:9/shop/production?key=none")
        sent = [rig.run("ok", number) for number in range(40)]
        assert [result.get(timeout=60) for result in sent] == list(range(40))
        wait_for(lambda: spooled(rig, b"task.succeeded") == 40, what="the spool")
        away.kill()
        away.wait(60)
        worker = rig.worker(Z4J_DSN=sink.dsn)
        try:
            ends = {result.id for result in sent}
            wait_for(lambda: ends <= {event["task_id"] for event in sink.of("task.succeeded")}, 60, "the orphans")
        finally:
            worker.terminate()
            worker.wait(60)
        assert sorted(event["task_id"] for event in sink.of("task.succeeded")) == sorted(ends)


def told(rig, sends, **environ):
    """Exit code and output of a worker, line by line, without what differs from run to run."""
    log = rig.folder / "celery.log"
    log.unlink(missing_ok=True)
    worker = rig.celery("worker", "-c2", "-nw1@test", "-lINFO", **environ)
    results = [rig.run(task, *args) for task, *args in sends]
    for result in results:
        result.get(timeout=60, propagate=False)
    # Celery 5.4 may hang at its exit when the signal meets a child that is just telling it of a result.
    time.sleep(1)
    worker.terminate()
    code = worker.wait(60)
    varying = r"[0-9a-f]{8}-[0-9a-f-]{27}|ForkPoolWorker-\d+|0x[0-9a-f]+|\d[\d:,. -]*s?"
    return code, sorted(re.sub(varying, "#", line) for line in log.read_text().splitlines())


def test_exit_code_and_output_of_a_worker_stay_as_they_are(rig):
    sends = [("ok", 1), ("fail", 2), ("ok", 3)]
    without = told(rig, sends)
    assert without[0] == 0
    assert any("ValueError" in line for line in without[1])
    with listening() as sink:
        assert told(rig, sends, Z4J_DSN=sink.dsn) == without
        assert len(sink.of("task.succeeded")) == 2
    assert told(rig, sends, Z4J_DSN="http://z4ja_away_secret@127.0.0.1:9/shop/production?key=none") == without
