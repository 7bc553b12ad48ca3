"""The server process as a whole: what a user starts, and what a supervisor stops."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from z4j_core import wire

from tests.brain import free_port
from tests.store import ROOT


def talk(brain, head, body=b"", *, patience=3.0):
    """Send raw bytes, read what comes until the other side closes or goes quiet."""
    with socket.create_connection(("127.0.0.1", brain.port), timeout=patience) as connection:
        connection.sendall(head + body)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except TimeoutError:
            pass
        return answer


def resident(brain):
    """MiB of memory."""
    lines = Path(f"/proc/{brain.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def test_a_live_brain_answers_health_and_nothing_to_strangers(standing_brain):
    assert standing_brain.request("GET", "/healthz")[0] == 200
    assert standing_brain.request("GET", "/readyz")[0] == 200
    assert standing_brain.request("GET", "/api/v1/projects/")[0] == 401
    status, headers, body = standing_brain.request("GET", "/api/v1/projects/", who="vera")
    assert status == 200 and b"harbor" in body and b"island" not in body


@pytest.mark.parametrize(("path", "cap"), [(wire.EVENTS_PATH, wire.MAX_BODY), ("/api/v1/x/", 2_621_440)])
def test_a_body_over_the_cap_is_refused_before_it_is_read(standing_brain, path, cap):
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {cap + 1}\r\nExpect: 100-continue\r\n\r\n"

    answer = talk(standing_brain, head.encode())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["code"] == "body_too_large"


def test_a_refused_sender_who_talks_on_gets_the_answer_and_fills_no_memory(standing_brain):
    before = resident(standing_brain)
    head = f"POST {wire.EVENTS_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n"

    answer = talk(standing_brain, head.encode(), b"x" * 5_000_000)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert resident(standing_brain) - before < 4


def test_a_body_without_a_length_is_refused(standing_brain):
    head = b"POST /api/v1/projects/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = talk(standing_brain, head, b"5\r\nhello\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 411 ")


def test_it_drains_on_sigterm(live_brain):
    """Given a request in flight and an idle connection, it answers the one, drops the other and exits with 0."""
    idle = socket.create_connection(("127.0.0.1", live_brain.port))
    seen = []
    poll = threading.Thread(target=lambda: seen.append(_poll(live_brain)))
    poll.start()
    time.sleep(1)

    started = time.monotonic()
    live_brain.process.terminate()
    time.sleep(0.2)
    seen_ready = live_brain.request("GET", "/readyz")[0]
    code = live_brain.process.wait(12)
    poll.join(5)
    idle.close()

    assert seen_ready == 503
    assert code == 0
    assert time.monotonic() - started < 10
    assert seen and seen[0][0] == 200 and json.loads(seen[0][1])["commands"] == []
    assert "Traceback" not in live_brain.log


def _poll(brain):
    proof = brain.agent_bearer()
    path = f"{wire.COMMANDS_PATH}?boot=00000000-0000-7000-8000-000000000001&wait=25&v=1"
    status, _, body = brain.request("GET", path, headers={"Authorization": f"Bearer {proof}"})
    return status, body


def test_what_was_committed_survives_a_kill(live_brain):
    live_brain.kill()
    live_brain.start()

    assert live_brain.request("GET", "/api/v1/projects/", who="olive")[0] == 200


def test_the_first_start_makes_its_secrets_and_prints_one_link(tmp_path):
    data, port = tmp_path / "data", free_port()
    environment = os.environ | {
        "Z4J_DATA_DIR": str(data),
        "Z4J_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
    }
    command = [sys.executable, "-m", "z4j_brain.cli", "serve", "--port", str(port)]
    brain = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert brain.stdout
        lines = [brain.stdout.readline() for _ in range(4)]
    finally:
        brain.terminate()
        brain.wait(15)
        brain.stdout.close()

    assert "prepares its database" in lines[0] and f"http://127.0.0.1:{port}" in lines[1]
    assert "/set-up/" in lines[2] and "recovery key" in lines[3]
    files = [path for path in data.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"django", "root", "action", "log", "z4j.sqlite3"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    contents = [path.read_bytes() for path in files if path.parent.name in ("keys", "secrets")]
    assert len(set(contents)) == len(contents) >= 6


def test_without_its_store_it_says_so_in_one_line_and_ends(tmp_path):
    nowhere = f"postgres://z4j@127.0.0.1:{free_port()}/z4j"
    chosen = {"Z4J_DATA_DIR": str(tmp_path / "brain"), "Z4J_DATABASE_URL": nowhere, "Z4J_PORT": str(free_port())}
    command = [sys.executable, "-m", "z4j_brain.cli", "serve"]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | chosen, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "store_away" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_of_two_who_set_up_an_empty_brain_at_once_one_owns_it(tmp_path):
    environment = os.environ | {
        "Z4J_DATA_DIR": str(tmp_path / "data"),
        "Z4J_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
    }
    (tmp_path / "password").write_text("correct horse battery")
    command = [sys.executable, "-m", "z4j_brain.cli", "createadmin", "--password-file", str(tmp_path / "password")]
    rivals = [
        subprocess.Popen([*command, "--username", name], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for name in ("olive", "mallory")
    ]

    errors = [rival.communicate(timeout=60)[1] for rival in rivals]

    assert sorted(rival.returncode for rival in rivals) == [0, 1]
    assert "Traceback" not in "".join(errors)


def test_scripts_set_up_a_brain_without_a_browser(tmp_path):
    environment = os.environ | {
        "Z4J_DATA_DIR": str(tmp_path / "data"),
        "Z4J_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
    }

    def z4j(*arguments, **more):
        command = [sys.executable, "-m", "z4j_brain.cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, **more)

    create = ("createadmin", "--username", "olive", "--password-stdin")
    assert z4j(*create, input="correct horse battery\n").returncode == 0
    again = z4j(*create, input="correct horse battery\n")
    token = z4j("token", "create", "--username", "olive", "--name", "script")
    dsn = z4j("agent-key", "create", "default/production")

    assert again.returncode == 1 and "has its first administrator" in again.stderr
    assert "Traceback" not in again.stderr
    assert token.stdout.startswith("z4ju_")
    assert dsn.stdout.startswith("http://z4ja_") and "/default/production?key=" in dsn.stdout
    assert z4j("agent-key", "create", "default/nowhere").returncode == 1
