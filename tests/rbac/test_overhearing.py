"""The websocket of a real server, held open by one tenant while the other's agents report: nothing of it is heard."""

from __future__ import annotations

import base64
import http.cookiejar
import json
import os
import re
import socket
import urllib.parse
import urllib.request
import uuid

import pytest

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import Caller

#: A slow machine may take its time.
PATIENCE = 60
SUBSCRIBED = {"kind": "subscribed", "ids": []}


def cookies(brain: Brain, who: str) -> str:
    """A session of somebody's, begun at the sign-in page."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(f"{brain.url}/sign-in/") as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert token
    form = {"csrfmiddlewaretoken": token[1], "login": who, "password": brain.cast["password"]}
    with browser.open(f"{brain.url}/sign-in/", urllib.parse.urlencode(form).encode()) as page:
        assert page.status == 200
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


class Line:
    """A page's websocket, as bytes. The server's messages are short and come unmasked."""

    def __init__(self, brain: Brain, cookie: str) -> None:
        self.raw = b""
        self.socket = socket.create_connection(("127.0.0.1", brain.port), timeout=PATIENCE)
        head = ["GET /ws/ HTTP/1.1", f"Host: 127.0.0.1:{brain.port}", f"Origin: {brain.url}", f"Cookie: {cookie}"]
        head += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        head += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        while b"\r\n\r\n" not in self.raw:
            self.raw += self.socket.recv(4096)
        status, _, self.raw = self.raw.partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 101")

    def say(self, said: object) -> None:
        body = json.dumps(said).encode()
        assert len(body) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)

    def hear(self) -> object:
        """The next message; the code, when the server closes instead."""
        while True:
            kind, size = self._take(2)
            size = int.from_bytes(self._take(2)) if size == 126 else size
            body = self._take(size)
            if kind == 0x88:
                self.socket.close()
                return int.from_bytes(body[:2])
            if kind == 0x81:
                return json.loads(body)

    def hear_until(self, word: str) -> list[object]:
        """All messages up to the first with this word in it."""
        heard = [self.hear()]
        while word not in json.dumps(heard[-1]):
            assert not isinstance(heard[-1], int), heard
            heard.append(self.hear())
        return heard

    def _take(self, size: int) -> bytes:
        while len(self.raw) < size:
            more = self.socket.recv(4096)
            assert more, "the server hung up without a word"
            self.raw += more
        taken, self.raw = self.raw[:size], self.raw[size:]
        return taken


def report(brain: Brain, project: str, mark: str) -> None:
    """What an agent of the project tells: a queue and a task, whose every text carries the mark."""
    queue = {"seq": 2, "kind": "queue.snapshot", "ts": sent.now(), "engine": "celery", "queue": mark}
    task = sent.event(3, task_id=f"{mark}-id", name=mark, queue=mark, ts=sent.now())
    body = sent.batch(sent.online(), queue | {"data": {"depth": 1}}, task, boot=uuid.uuid4())
    status, answer = Caller(brain, project=project).post(body)
    assert status == 200, answer


@pytest.fixture(scope="module")
def harbor(standing_brain):
    """Where the canaries live: what a page of harbor's own hears, and the ids that could be asked for by name."""
    report(standing_brain, "harbor", "canary-harbor")
    [task] = [one for one in Caller(standing_brain).tasks() if one["task_id"] == "canary-harbor-id"]
    return {"environment": standing_brain.cast["environments"]["harbor/production"], "task": task["id"]}


@pytest.fixture(scope="module")
def sessions(standing_brain):
    return {who: cookies(standing_brain, who) for who in ("stan", "oscar")}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"subscribe": "harbor/production"}, 4404),
        ({"subscribe": "harbor/staging"}, 4404),
        ({"subscribe": "harbor/nowhere"}, 4404),
        ({"subscribe": "island/staging"}, 4404),
        ({"subscribe": "{environment}/production"}, 4404),
        ({"subscribe": "{environment}"}, 4400),
        ({"subscribe": "environment.{environment}"}, 4400),
        ({"subscribe": "agents.{environment}"}, 4400),
        ({"subscribe": "harbor/production/tasks/{task}"}, 4400),
        ({"subscribe": "task/{task}"}, 4404),
        ({"subscribe": "queue/canary-harbor"}, 4404),
        ({"subscribe": ["island/production", "harbor/production"]}, 4400),
        ({"subscribe": "island/production harbor/production"}, 4400),
        ({"subscribe": "island/../harbor/production"}, 4400),
        ({"subscribe": "island/production", "watch": "task"}, 4400),
        ({"subscribe": "harbor/production", "watch": ["task:{task}"]}, 4404),
        ({"type": "nudge", "kind": "task", "ids": ["{task}"]}, 4400),
    ],
)
def test_who_asks_for_another_tenants_events_is_told_what_is_told_of_nothing(
    standing_brain, harbor, sessions, said, code
):
    """At once, and from a socket that follows a place of one's own: it ends, and follows nothing any more."""
    said = json.loads(re.sub(r"\{(environment|task)\}", lambda name: str(harbor[name[1]]), json.dumps(said)))
    fresh, own = Line(standing_brain, sessions["stan"]), Line(standing_brain, sessions["stan"])
    own.say({"subscribe": "island/production"})
    assert own.hear() == SUBSCRIBED

    fresh.say(said)
    own.say(said)

    assert fresh.hear() == code
    heard = [own.hear()]
    while not isinstance(heard[-1], int):
        heard.append(own.hear())
    assert heard[-1] == code
    assert "canary-harbor" not in json.dumps(heard)


def test_what_happens_at_one_tenants_is_not_heard_at_the_others(standing_brain, harbor, sessions):
    """Nor does a canary travel in what is left over from a place that was followed before."""
    stan, oscar, quiet = (Line(standing_brain, sessions[who]) for who in ("stan", "oscar", "stan"))
    stan.say({"subscribe": "island/production"})
    oscar.say({"subscribe": "harbor/production"})
    assert (stan.hear(), oscar.hear()) == (SUBSCRIBED, SUBSCRIBED)

    report(standing_brain, "harbor", "canary-loud")
    at_home = oscar.hear_until("canary-loud")
    report(standing_brain, "island", "canary-island")
    heard = stan.hear_until("canary-island")
    quiet.say({"subscribe": "island/production"})  # it has followed nothing until now
    first = quiet.hear()

    assert "canary-loud" in json.dumps(at_home) and "canary-island" not in json.dumps(at_home)
    assert not re.search("canary-(loud|harbor)", json.dumps(heard))
    assert first == SUBSCRIBED
    report(standing_brain, "harbor", "canary-again")
    report(standing_brain, "island", "canary-second")
    later = json.dumps([stan.hear_until("canary-second"), quiet.hear_until("canary-second")])
    assert "canary-again" not in later
    for line in (stan, oscar, quiet):
        line.socket.close()
