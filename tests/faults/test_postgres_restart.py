"""F5: PostgreSQL is restarted, or has no connection left, under load. Whoever asks is told to come again, and is served
when it is back; what was acknowledged is there, once; nobody ever sees a 500.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.brain import Brain
from tests.faults.cluster import order_postgres
from tests.faults.senders import Sender, check_events, check_tasks
from tests.store import PostgresStore

PATHS = ("/api/v1/harbor/production/tasks/", "/api/v1/projects/", "/sign-in/", "/readyz")


@pytest.fixture
def brain(own: PostgresStore, tmp_path: Path) -> Iterator[Brain]:
    brain = Brain(own, tmp_path / "brain")
    brain.start()
    yield brain
    brain.close()


class Reader(threading.Thread):
    """Somebody who reads the API and pages all the time."""

    def __init__(self, brain: Brain) -> None:
        super().__init__(daemon=True)
        self.brain, self.enough = brain, threading.Event()
        self.seen: list[tuple[float, str, int]] = []

    def run(self) -> None:
        while not self.enough.wait(0.1):
            for path in PATHS:
                try:
                    status, headers, _ = self.brain.request("GET", path, who="olive")
                except (OSError, http.client.HTTPException) as error:
                    raise AssertionError(f"{path}: {error!r}") from error
                assert status != 503 or path == "/readyz" or headers["Retry-After"]
                self.seen.append((time.monotonic(), path, status))


def test_postgres_is_restarted_under_load_and_nothing_is_lost_nor_a_500_seen(own, brain):
    senders, reader = [Sender(brain, number) for number in range(3)], Reader(brain)
    for thread in (*senders, reader):
        thread.start()
    time.sleep(2)
    order_postgres(own, "restart")
    back = time.monotonic()
    _served_again(senders, reader, back)
    with exhausted(own):
        time.sleep(4)
    back = time.monotonic()
    _served_again(senders, reader, back)
    for thread in (*senders, reader):
        thread.enough.set()
    for thread in (*senders, reader):
        thread.join(60)

    statuses = Counter(status for sender in senders for _, status in sender.answered)
    statuses += Counter(status for _, _, status in reader.seen)
    assert set(statuses) == {200, 503}
    assert [sender.refusals for sender in senders] == [[], [], []]
    check_events(brain, senders)
    check_tasks(brain)
    assert "Internal Server Error" not in brain.log


class exhausted(ExitStack):
    """Every connection that PostgreSQL has to give is taken, after those that stood were ended."""

    def __init__(self, own: PostgresStore) -> None:
        super().__init__()
        self.own = own

    def __enter__(self) -> exhausted:
        uri = self.own.server.get_uri()
        first = self.enter_context(psycopg.connect(uri, autocommit=True))
        first.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        try:
            while True:
                self.enter_context(psycopg.connect(uri))
        except psycopg.OperationalError:
            return self


def _served_again(senders: list[Sender], reader: Reader, since: float) -> None:
    """Within half a minute, on a machine as busy as it is, each sender is answered and every path is read."""
    until = since + 30
    while True:
        answered = all(any(at > since and status == 200 for at, status in list(one.answered)) for one in senders)
        read = {path for at, path, status in list(reader.seen) if at > since and status == 200}
        if answered and read == set(PATHS):
            return
        assert time.monotonic() < until, (answered, set(PATHS) - read)
        time.sleep(0.1)
