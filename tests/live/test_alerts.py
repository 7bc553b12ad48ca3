"""Trouble of every kind comes about among real workers, and reaches a receiver outside: once, and its end once.

All kinds come and go at once, since most of the time is spent waiting for them to have lasted long enough.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.audit.receivers import Server
from tests.brain import Brain
from tests.live.alarms import ELSEWHERE, HERE, Town
from z4j_brain.alerts.states import Kind
from z4j_brain.ledger.memory import Folder

#: What each kind watches for here: as little as it takes for a test to see it.
WATCHED = {
    Kind.FAILURE_RATE: {"percent": 50, "minutes": 60, "least": 10, "queue": "stock"},
    Kind.ABSENCE: {"task": "stock.count_shelf", "minutes": 1},
    Kind.QUEUE_DEPTH: {"depth": 10, "queue": "letters"},
    Kind.QUEUE_AGE: {"minutes": 1, "queue": "letters"},
    Kind.WAIT_TIME: {"seconds": 8, "minutes": 60, "least": 10, "queue": "stock"},
    Kind.WORKER_GONE: {"minutes": 1},
    Kind.SCHEDULE_MISSED: {"schedule": "count"},
    Kind.AGENT_DROPS: {"events": 1},
    Kind.AUDIT_HEALTH: {"outlets": False},
}
#: Orders of which there is more to tell than the smallest spool holds that an agent takes; and so many bytes are that.
MANY, SMALL = 1500, str(1024 * 1024)
#: Seconds for what takes a moment; for trouble to have lasted, beyond the time that the brain listens after its start;
#: and for the next look at a rule, after the next measurement.
SOON, LASTS, OVER = 60, 180, 120


@pytest.fixture
def town(store, tmp_path, monkeypatch) -> Iterator[Town]:
    server = Server(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    monkeypatch.setenv("Z4J_PRIVATE_HOSTS", "localhost")
    brain = Brain(store, tmp_path / "brain")
    town = Town(brain, server, tmp_path)
    yield town
    town.close()
    brain.close()
    server.close()


def test_trouble_of_every_kind_reaches_a_receiver_once_and_its_end_once(town):
    forgets_much_while_the_brain_is_away(town)
    signer = Folder(town.brain.data_dir / "signer")
    assert signer.hold()  # somebody who ought to sign, and does not
    town.brain.start()
    asked_at = time.monotonic()
    town.order("early", 12)
    town.write_letters()
    town.accounts("accounts", "reports.py", "worker")
    secret = is_watched(town)
    time.sleep(max(12 - time.monotonic() + asked_at, 0))
    town.stock("stock", Z4J_ALLOW="run")  # it begins late, and all that it was asked for fails
    has_a_schedule(town)
    town.until(lambda: len(town.rows("tasks/?state__in=failed,dead_lettered&queue=stock")) == 12, "12 failures", SOON)
    town.send("stock", signal.SIGSTOP)

    town.until(lambda: kinds(town, "alert.fired") >= set(Kind), lambda: f"told was {counted(town)}", LASTS)
    signer.release()
    ends_all_of_it(town)
    town.until(lambda: kinds(town, "alert.resolved") >= set(Kind), lambda: f"told was {counted(town)}", OVER)

    assert counted(town) == {(kind, happening): 1 for kind in Kind for happening in ("alert.fired", "alert.resolved")}
    assert len({headers["webhook-id"] for _, headers, _ in town.told}) == 2 * len(Kind)
    assert all(is_signed(secret, headers, body) for _, headers, body in town.told)


def forgets_much_while_the_brain_is_away(town: Town) -> None:
    town.stock("forgetful", ELSEWHERE, 2, Z4J_SPOOL_CAP=SMALL)
    town.order("much", MANY, ELSEWHERE, 2)
    town.until(lambda: town.ordered("forgetful") == MANY, "all orders", SOON)


def is_watched(town: Town) -> str:
    """A rule of each kind tells a webhook; its secret."""
    asked = {"name": "pager", "kind": "webhook", "address": town.server.address, "whole_project": True}
    channel = town.call("alerts/channels/", asked)
    for kind, settings in WATCHED.items():
        place = ELSEWHERE if kind == Kind.AGENT_DROPS else HERE
        rule = {"name": str(kind.label), "kind": kind, "settings": settings, "channels": [channel["id"]]}
        town.call("alerts/rules/", rule, place)
    return str(channel["secret"])


def has_a_schedule(town: Town) -> None:
    """It is not sent while nothing is signed."""
    name = town.until(lambda: town.rows("registered/?engine=huey&name=stock.count_shelf"), "the task's name", SOON)
    told = {"source": "z4j", "key": "count", "engine": "huey", "task": name[0]["name"], "args": ["A1"]}
    town.call("schedules/", told | {"every": 10, "grace": 5, "reason": "to see it"})


def ends_all_of_it(town: Town) -> None:
    town.send("stock", signal.SIGCONT)
    town.send("forgetful", signal.SIGTERM)
    town.accounts("letters", "-m", "rq.cli", "worker", "--burst", "letters")
    for _ in range(5):
        town.order("early", 12, times=5)


def counted(town: Town) -> Counter[tuple[str, str]]:
    return Counter((message["data"]["rule"]["kind"], message["type"]) for message, _, _ in town.told)


def kinds(town: Town, happening: str) -> set[str]:
    return {kind for kind, type_ in counted(town) if type_ == happening}


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As Standard Webhooks says it, worked out once more; and just now."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 600
    return fresh and headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
