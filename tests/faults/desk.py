"""Who sits at the brain during the soak: one operates, one reads. Each asks whichever process answers."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from typing import Any

from tests.faults.workshop import Workshop

HERE = "/api/v1/harbor/production"
PATHS = (f"{HERE}/tasks/", f"{HERE}/operations/", f"{HERE}/schedules/", f"{HERE}/workers/", "/sign-in/")


class Desk(threading.Thread):
    pause = 1.0

    def __init__(self, shop: Workshop) -> None:
        super().__init__(daemon=True)
        self.shop, self.enough = shop, threading.Event()
        self.statuses: Counter[int] = Counter()
        self.unanswered = 0

    def run(self) -> None:
        while not self.enough.wait(self.pause):
            self.turn()

    def turn(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.enough.set()
        self.join(120)
        assert not self.is_alive()

    def ask(self, method: str, path: str, body: Any = None, *, who: str, **headers: str) -> tuple[int, bytes]:
        """Status 0: there was no answer."""
        try:
            status, _, answer = self.shop.cluster.request(method, path, body, who=who, headers=headers)
        except (OSError, http.client.HTTPException):
            self.unanswered += 1
            return 0, b""
        self.statuses[status] += 1
        return status, answer


class Reader(Desk):
    """Reads lists and a page all the time."""

    pause = 0.5

    def turn(self) -> None:
        for path in PATHS:
            self.ask("GET", path, who="olive")


class Operator(Desk):
    """Retries what has failed, many at once. Under one key a request is made until it is answered with yes."""

    pause = 5.0
    #: Of the newest failures, how many at once, and how many seconds one has to be over, so that it has been told of.
    MOST = 40

    def __init__(self, shop: Workshop, seed: int) -> None:
        super().__init__(shop)
        self.seen, self.random = 0, random.Random(seed)
        self.operations: list[str] = []
        self.refusals: list[tuple[int, bytes]] = []

    def turn(self) -> None:
        query = "SELECT rowid, id FROM task WHERE rowid > ? AND done AND end = 'failed' ORDER BY rowid LIMIT ?"
        found = self.shop.ledger.ask(query, self.seen, self.random.randint(1, self.MOST))
        if found and self.retry([task_id for _, task_id in found]):
            self.seen = found[-1][0]

    def retry(self, tasks: list[str]) -> bool:
        """Was it done? Not where the brain has not heard yet that any of them failed: it is asked again."""
        key, body = str(uuid.uuid4()), {"action": "task.retry", "filter": {"task_id__in": tasks}, "reason": "soak"}
        while True:
            status, answer = self.ask("POST", f"{HERE}/operations/", body, who="oscar", **{"Idempotency-Key": key})
            if status == 202:
                self.operations.append(str(json.loads(answer)["id"]))
                return True
            if status not in (0, 429, 503):
                if status != 422 or json.loads(answer)["code"] != "nothing_matches":
                    self.refusals.append((status, answer))
                return False
            time.sleep(0.5)
