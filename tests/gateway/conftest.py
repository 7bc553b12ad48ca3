"""One live brain for the whole module: the gateway is tested from outside, as an agent meets it."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from z4j_core import wire
from z4j_core.dsn import DSN

from tests import wire as sent
from tests.brain import Brain
from tests.store import Store


class Caller:
    """Somebody at the agents' door."""

    def __init__(self, brain: Brain, environment: str = "production", project: str = "harbor") -> None:
        self.brain, self.place = brain, (project, environment)
        self.dsn = DSN.parse(brain.dsn(project, environment))
        self.headers = {"Authorization": f"Bearer {self.dsn.bearer()}"}

    def post(self, body: bytes | dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
        """Send events; the status and the answer."""
        raw = body if isinstance(body, bytes) else sent.zipped(body)
        more = {"Content-Encoding": "gzip"} if not isinstance(body, bytes) else {}
        return self.call("POST", wire.EVENTS_PATH, raw, **more, **headers)

    def poll(self, boot: uuid.UUID, wait: int = 0) -> tuple[int, dict[str, Any]]:
        return self.call("GET", f"{wire.COMMANDS_PATH}?boot={boot}&wait={wait}&v=1")

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
        status, _, answer = self.brain.request(method, path, body, headers=self.headers | headers)
        return status, dict(json.loads(answer))

    def tasks(self, who: str = "olive") -> list[dict[str, Any]]:
        path = f"/api/v1/{self.place[0]}/{self.place[1]}/tasks/"
        return list(json.loads(self.brain.request("GET", path, who=who)[2])["results"])


def execute(brain: Brain, statement: str, *values: Any) -> list[Any]:
    """A statement on the brain's database, past the brain."""
    if brain.database_url:
        with psycopg.connect(brain.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []
    connection = sqlite3.connect(brain.data_dir / "z4j.sqlite3", timeout=20)
    with connection:
        rows = connection.execute(statement, values).fetchall()
    connection.close()
    return rows


@pytest.fixture(scope="module")
def brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    brain = Brain(store, tmp_path_factory.mktemp("door") / "brain")
    brain.start()
    yield brain
    brain.close()


@pytest.fixture
def agent(brain: Brain) -> Caller:
    return Caller(brain)
