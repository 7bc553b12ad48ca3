"""F7: the disk runs full. Every answer is honest, nothing breaks, and all goes on once there is room again."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import wire as sent
from tests.brain import Brain
from tests.faults.senders import Sender
from tests.faults.volume import Volume, mounted
from tests.gateway.conftest import Caller, execute
from tests.store import PostgresStore, SQLiteStore, Store

SIZE = 256 << 20
#: Less than 2 % of it.
LITTLE = 5 << 20
SETTINGS = "/api/v1/harbor/production/settings/"


@pytest.fixture
def volume() -> Iterator[Volume]:
    with mounted(SIZE) as volume:
        if volume is None:
            pytest.skip("only root may mount a small disk")
        yield volume


@pytest.fixture
def brain(store: Store, volume: Volume, tmp_path: Path) -> Iterator[Brain]:
    brain = _on_volume(store, volume, tmp_path)
    brain.start()
    yield brain
    brain.close()
    if isinstance(store, PostgresStore):
        _sql(store, "DROP TABLESPACE small")


def _on_volume(store: Store, volume: Volume, tmp_path: Path) -> Brain:
    """A brain whose database lies on the small disk."""
    if isinstance(store, PostgresStore):
        brain = Brain(store, tmp_path / "brain")
        place = volume.path / "tablespace"
        place.mkdir()
        owner = (store.folder / "postgres" / "PG_VERSION").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        volume.path.chmod(0o711)
        _sql(store, f"CREATE TABLESPACE small LOCATION '{place}'")
        _sql(store, f'ALTER DATABASE "{brain.name}" SET TABLESPACE small')
        return brain
    name = f"full-{os.getpid()}"
    store.clone(name, cast=True)
    shutil.copytree(store.folder / name, volume.path / "store" / name)
    store.drop(name)
    return Brain(SQLiteStore(volume.path / "store"), volume.path / "brain", adopted=name, cast=store.cast())


def _sql(store: PostgresStore, statement: str) -> None:
    with psycopg.connect(store.server.get_uri(), autocommit=True) as connection:
        connection.execute(statement.encode())


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


class Owner:
    """Changes a setting again and again: each change is a row and an entry of the ledger, or none of both."""

    def __init__(self, brain: Brain) -> None:
        self.brain, self.days, self.allowed = brain, 40, 0

    def change(self) -> tuple[int, dict[str, Any]]:
        self.days += 1
        body = {"tasks_days": self.days, "reason": "x" * 400}
        status, _, answer = self.brain.request("PATCH", SETTINGS, body, who="olive")
        self.allowed += status == 200
        return status, json.loads(answer)

    def change_until_refused(self) -> dict[str, Any]:
        for _ in range(3_000):
            status, answer = self.change()
            if status != 200:
                assert status == 503, answer
                return answer
        raise AssertionError("the disk is never full")

    def check(self) -> None:
        """What was answered with yes is recorded, and nothing else."""
        entries = "SELECT count(*) FROM ledger_entry WHERE action = 'environment.configure'"
        assert execute(self.brain, entries) == [(self.allowed,)]


def test_a_full_disk_refuses_honestly_breaks_nothing_and_all_goes_on(brain, volume):
    owner, sender = Owner(brain), Sender(brain, 1)
    sender.start()
    wait_for(lambda: sender.acknowledged)
    assert owner.change()[0] == 200

    wait_until_full(brain, volume)
    refused = owner.change_until_refused()

    assert refused["code"] == "disk_full"
    assert "room" in refused["detail"]
    wait_for(lambda: send(brain)[1].get("code") in ("disk_low", "disk_full"))
    before = set(sender.acknowledged)
    assert brain.request("GET", "/api/v1/harbor/production/tasks/", who="olive")[0] == 200
    assert brain.request("GET", "/healthz")[0] == brain.request("GET", "/readyz")[0] == 200

    volume.empty()
    wait_for(lambda: owner.change()[0] == 200)
    wait_for(lambda: sender.acknowledged > before)
    sender.enough.set()
    sender.join(60)
    check(brain, sender)
    owner.check()
    assert "Traceback" not in brain.log


def test_the_last_of_the_disk_is_not_for_events(brain, volume):
    if brain.database_url:
        return  # the disk of PostgreSQL is not ours to watch
    owner, reserve = Owner(brain), brain.data_dir / "reserve"
    assert send(brain)[0] == 200
    wait_for(reserve.exists)

    volume.fill(leave=LITTLE)
    wait_for(lambda: send(brain)[1].get("code") == "disk_low")
    assert owner.change()[0] == 200

    volume.fill()
    wait_for(lambda: not reserve.exists())  # for want of room it is let go, and the ledger can go on
    assert [owner.change()[0] for _ in range(20)] == [200] * 20
    assert send(brain)[1]["code"] == "disk_low"

    volume.empty()
    wait_for(lambda: send(brain)[0] == 200)
    wait_for(reserve.exists)
    owner.check()


def wait_until_full(brain: Brain, volume: Volume) -> None:
    """Take the room away, and the reserve's as soon as it is let go."""
    volume.fill()
    wait_for(lambda: brain.database_url or not (brain.data_dir / "reserve").exists())
    volume.fill()


def send(brain: Brain) -> tuple[int, dict[str, Any]]:
    return Caller(brain).post(sent.batch(sent.event(1, task_id=str(uuid.uuid4()))))


def check(brain: Brain, sender: Sender) -> None:
    """Each acknowledged event is there once, none was turned away, and the database is whole."""
    assert not sender.is_alive()
    assert sender.refusals == []
    boot = sender.boot if brain.database_url else sender.boot.hex
    query = "SELECT e.seq FROM tasks_event e JOIN agents_agent a ON a.id = e.agent_id WHERE a.boot = ?"
    rows = execute(brain, query, boot)
    stored = sorted(seq for (seq,) in rows)
    assert stored == sorted(sender.acknowledged)
    if not brain.database_url:
        assert execute(brain, "PRAGMA integrity_check") == [("ok",)]
