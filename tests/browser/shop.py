"""A worker of a made-up shop, as the brain knows one: its events come in by the agents' door."""

from __future__ import annotations

import gzip
import itertools
import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain

SECOND = 1_000_000
TRACEBACK = """Traceback (most recent call last):
  File "/srv/.venv/lib/python3.12/site-packages/engine/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/shop/notifications/tasks.py", line 88, in send_receipt
    connection.send_messages([message])
smtplib.SMTPServerDisconnected: timed out
"""
ENGINE = {
    "name": "celery",
    "version": "5.7.0",
    "capabilities": {
        "retry": {"note": "publishes the original message again", "support": "native"},
        "cancel": {"note": "kills the child process", "support": "native"},
        "requeue": {"note": "", "support": "emulated"},
        "purge": {"note": "", "support": "native"},
        "hello": {"note": "", "support": "native"},
    },
    "missing": {"grow": "The pool is solo, which has one slot."},
    "advice": [{"code": "no-limit", "text": "A task may hang for ever.", "fix": "Set task_time_limit."}],
}
ALLOWED = ["retry", "cancel", "requeue", "hello"]
REFUSED = {"purge": "This worker's own settings do not allow purge (Z4J_ALLOW)."}


def now() -> int:
    return time.time_ns() // 1000


class Worker:
    """`allowed`: what its owner allows besides the usual."""

    def __init__(
        self,
        brain: Brain,
        environment: str = "production",
        name: str = "mail-1",
        allowed: Iterable[str] = (),
        project: str = "harbor",
    ) -> None:
        self.project = project
        self.brain, self.environment, self.name, self.allowed = brain, environment, name, [*ALLOWED, *allowed]
        self.boot = str(uuid.uuid4())
        self.seq = itertools.count(1)
        self.told: list[dict[str, Any]] = []

    def tell(self, kind: str, **event: Any) -> None:
        self.told.append({"seq": next(self.seq), "kind": kind, "ts": now(), **event})

    def send(self) -> None:
        events, self.told = self.told, []
        batch = {
            "v": 1,
            "boot": self.boot,
            "first": events[0]["seq"],
            "agent": {"name": self.name, "host": "box-1", "pid": 4711, "role": "worker"},
            "events": events,
        }
        headers = self.headers | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        status, _, body = self.brain.request(
            "POST", "/agent/v1/events", gzip.compress(json.dumps(batch).encode()), headers=headers
        )
        assert status == 200, body
        assert json.loads(body)["accepted"] == len(events), body

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.brain.agent_bearer(self.project, self.environment)}"}

    def asked(self, name: str, wait: float = 20) -> list[dict[str, Any]]:
        """The commands about tasks of this name, once there are some: what others have asked for lies here too."""
        deadline = time.monotonic() + wait
        while True:
            commands = [one for one in self._poll() if one["targets"][0]["name"] == name]
            if commands or time.monotonic() > deadline:
                return commands

    def _poll(self, wait: int = 1) -> list[dict[str, Any]]:
        path = f"{wire.COMMANDS_PATH}?boot={self.boot}&wait={wait}&v=1"
        status, _, body = self.brain.request("GET", path, headers=self.headers)
        assert status == 200, body
        return [sent.opened(signed) for signed in json.loads(body)["commands"]]

    def answer(self, command: dict[str, Any], outcome: str = "done") -> None:
        """Each target came to this; of what was done, the events tell too."""
        results = [{"item": target["item"], "outcome": outcome, "detail": ""} for target in command["targets"]]
        if outcome == "done":
            for target, result in zip(command["targets"], results, strict=True):
                new = {"task_id": str(uuid.uuid4()), "retry_of": target["task_id"], "name": target["name"]}
                self.tell("task.enqueued", engine="celery", queue="emails", attempt=0, **new)
                result["new_task_id"] = new["task_id"]
            self.send()
        told = {"v": 1, "boot": self.boot, "command": command["id"], "fence": command["fence"], "results": results}
        body = json.dumps(told).encode()
        status, _, answer = self.brain.request("POST", wire.RESULTS_PATH, body, headers=self.headers)
        assert (status, json.loads(answer)["applied"]) == (200, True)

    def online(self) -> Worker:
        refused = {verb: why for verb, why in REFUSED.items() if verb not in self.allowed}
        data = {"role": "worker", "engines": [ENGINE], "vault": "v1", "allowed": self.allowed, "refused": refused}
        data["problems"] = [
            {"engine": "celery", "code": "broker_down", "text": "The broker of celery does not answer."}
        ]
        self.tell("agent.online", data=data)
        worker = {"host": "box-1", "pid": 4711, "queues": ["emails"], "running": [], "started": now()}
        worker["concurrency"] = {"kind": "prefork", "size": 16}
        self.tell("worker.online", engine="celery", worker=self.name, data=worker)
        self.send()
        return self

    def task(self, end: str = "succeeded", name: str = "shop.send_receipt", **fields: Any) -> str:
        """The whole life of a task, up to the state `end`, told at once."""
        task_id = str(uuid.uuid4())
        base = {"engine": "celery", "task_id": task_id, "name": name, "queue": "emails", "attempt": 0, **fields}
        self.tell("task.enqueued", **base, args="(<int>,)", kwargs="{'locale': <str 5>}", vault="v1")
        if end != "queued":
            run = now()
            self.tell("task.started", **base, run=run, worker=self.name)
            if end != "started":
                self.end(end, base | {"run": run})
        self.send()
        return task_id

    def end(self, end: str, base: dict[str, Any]) -> None:
        error = {"type": "smtplib.SMTPServerDisconnected", "message": "timed out", "traceback": TRACEBACK}
        told = {"error": error} if end == "failed" else {}
        self.tell(f"task.{end}", **base, worker=self.name, runtime_ms=812.5, **told)

    def queue(self, name: str, **counts: int) -> None:
        """A measurement of a queue."""
        self.tell("queue.snapshot", engine="celery", queue=name, data={"name": name, "exact": True, **counts})
        self.send()

    def listed(self, what: str) -> list[dict[str, Any]]:
        """A list of the API: `tasks/?task_id=...`, `queues/`."""
        path = f"/api/v1/harbor/{self.environment}/{what}"
        found: list[dict[str, Any]] = json.loads(self.brain.request("GET", path, who="olive")[2])["results"]
        return found

    def row(self, task_id: str) -> int:
        """The brain's own id of a task."""
        return int(self.listed(f"tasks/?task_id={task_id}")[0]["id"])
