"""Agents for fault tests: each sends a batch, byte for byte the same, until it is answered, and remembers answers."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from typing import Any

from z4j_core import wire
from z4j_core.dsn import DSN

from tests import wire as sent
from tests.brain import Brain

TASKS = 60


class Sender(threading.Thread):
    """Sends batches of events about tasks it shares with others, until told to stop; then until all are answered."""

    def __init__(self, brain: Brain, number: int, size: int = 40) -> None:
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
        if status != 200:
            self.refusals += [] if status == 503 else [(status, answer)]
            return None
        return dict(json.loads(answer))

    def _event(self, seq: int) -> dict[str, Any]:
        kind = self.random.choice(("received", "started", "succeeded", "failed", "retrying"))
        run = None if kind == "received" else sent.START
        task_id = sent.task_name(self.random.randrange(TASKS))
        return sent.event(
            seq, f"task.{kind}", task_id, run=run, attempt=self.random.randrange(3), worker=str(self.boot)
        )
