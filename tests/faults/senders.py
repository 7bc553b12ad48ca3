"""Agents for fault tests: each sends a batch, byte for byte the same, until it is answered, and remembers answers."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from typing import Any, Protocol

from z4j_core import fold as folding
from z4j_core import wire
from z4j_core.dsn import DSN

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import execute

TASKS = 60


class Door(Protocol):
    """Where agents knock: one brain, or one of several."""

    def dsn(self) -> str: ...

    def request(
        self, method: str, path: str, body: Any = None, *, who: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]: ...


class Sender(threading.Thread):
    """Sends batches of events about tasks it shares with others, until told to stop; then until all are answered."""

    def __init__(self, brain: Door, number: int, size: int = 40) -> None:
        super().__init__(daemon=True)
        self.brain, self.size, self.boot = brain, size, uuid.UUID(int=number + 1)
        self.random = random.Random(number)
        self.headers = {
            "Authorization": f"Bearer {DSN.parse(brain.dsn()).bearer()}",
            "Content-Encoding": "gzip",
        }
        self.enough = threading.Event()
        self.acknowledged: set[int] = set()
        self.counted = 0
        self.repeats = 0
        self.answered: list[tuple[float, int]] = []
        self.refusals: list[Any] = []

    def run(self) -> None:
        first = 1
        while not self.enough.is_set():
            self._deliver(first)
            first += self.size

    def _deliver(self, first: int) -> None:
        events = [self._event(seq) for seq in range(first, first + self.size)]
        body = sent.zipped(sent.batch(*events, boot=self.boot))
        for tries in range(1, 10_000):
            if answer := self._send(body, tries):
                self.counted += answer["accepted"] + len(answer["duplicates"]) + len(answer["rejected"])
                self.refusals += answer["rejected"]
                self.acknowledged |= {event["seq"] for event in events}
                return
            self.repeats += 1
            time.sleep(0.05)

    def _send(self, body: bytes, tries: int) -> dict[str, Any] | None:
        try:
            headers = self.headers | {wire.TRIES_HEADER: str(tries)}
            status, _, answer = self.brain.request("POST", wire.EVENTS_PATH, body, headers=headers)
        except (OSError, http.client.HTTPException):  # nobody there, or the answer was cut off in the middle
            return None
        self.answered.append((time.monotonic(), status))
        if status != 200:
            self.refusals += [] if status in (429, 503) else [(status, answer)]
            return None
        return dict(json.loads(answer))

    def _event(self, seq: int) -> dict[str, Any]:
        kind = self.random.choice(("received", "started", "succeeded", "failed", "retrying"))
        run = None if kind == "received" else sent.START
        task_id = sent.task_name(self.random.randrange(TASKS))
        return sent.event(
            seq, f"task.{kind}", task_id, run=run, attempt=self.random.randrange(3), worker=str(self.boot)
        )


def check_events(brain: Brain, senders: list[Sender]) -> None:
    """Of these senders each acknowledged event is stored once, and nothing else is."""
    boots = {sender.boot for sender in senders}
    rows = execute(brain, "SELECT a.boot, e.seq FROM tasks_event e JOIN agents_agent a ON a.id = e.agent_id")
    stored = sorted((uuid.UUID(str(boot)), seq) for boot, seq in rows if uuid.UUID(str(boot)) in boots)
    assert stored == sorted((sender.boot, seq) for sender in senders for seq in sender.acknowledged)


def check_tasks(brain: Brain) -> None:
    """Every row is the fold of its events."""
    query = "SELECT t.id, t.state, t.fold_key, e.data, a.boot FROM tasks_task t "
    query += "JOIN tasks_event e ON e.task_id = t.id JOIN agents_agent a ON a.id = e.agent_id"
    tasks: dict[int, list[tuple[folding.Key, Any]]] = {}
    shown = {}
    for pk, state, key, data, boot in execute(brain, query):
        event = data if isinstance(data, dict) else json.loads(data)
        shown[pk] = (state, key)
        tasks.setdefault(pk, []).append((folding.order_key(event, str(uuid.UUID(str(boot)))), event))
    for pk, keyed in tasks.items():
        row = folding.fold(None, sorted(keyed, key=lambda one: one[0]))
        assert (row["state"], row["fold_key"]) == shown[pk]
