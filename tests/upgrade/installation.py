"""A small installation with something of everything, told to a live brain as agents and people tell it.

Only the agents' door and the API are used, so that any state of the tree can be filled with it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import Caller

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
ENGINES = ("celery", "rq", "dramatiq", "huey", "arq", "taskiq")
ERROR = {
    "type": "SMTPServerDisconnected",
    "message": "timed out after 30 s",
    "traceback": 'Traceback (most recent call last):\n  File "/srv/shop/mail.py", line 88, in send\nSMTP…: timed out\n',
    "reason": "exception",
}
KEY = {"Idempotency-Key": "once-before"}
BOOT = uuid.UUID("01900000-0000-7000-8000-00000000b001")


class Reporter(Caller):
    """One agent. `said` are its batches as they were sent, and what the brain answered."""

    def __init__(self, brain: Brain, boot: uuid.UUID, place: str = "harbor/production", role: str = "worker") -> None:
        project, environment = place.split("/")
        super().__init__(brain, environment, project)
        self.boot, self.role, self.seq = boot, role, 0
        self.said: list[tuple[str, dict[str, Any]]] = []

    def say(self, *events: dict[str, Any]) -> None:
        """Events in one batch, each with the next number unless it has its own."""
        told = []
        for event in events:
            self.seq = event.get("seq", self.seq + 1)
            told.append({**event, "seq": self.seq})
        body = sent.raw(sent.batch(*told, boot=self.boot, role=self.role)).decode()
        status, answer = self.call("POST", wire.EVENTS_PATH, body.encode())
        assert status == 200, answer
        self.said.append((body, answer))

    def ask(
        self, method: str, path: str, body: Any = None, *, who: str = "oscar", status: int = 202, **more: Any
    ) -> Any:
        """A person's request about the place of this agent."""
        address = f"/api/v1/{'/'.join(self.place)}/{path}"
        answered, _, raw = self.brain.request(method, address, body, who=who, **more)
        assert answered == status, raw
        return json.loads(raw)

    def task(self, task_id: str) -> int:
        [task] = self.ask("GET", f"tasks/?task_id={task_id}", status=200)["results"]
        return int(task["id"])

    def settle(self, outcome: str = "done", *, fence: int = 0, **more: Any) -> list[dict[str, Any]]:
        """Take what waits and answer it; the commands."""
        status, polled = self.poll(self.boot, wait=10)
        assert status == 200, polled
        commands = [sent.opened(signed) for signed in polled["commands"]]
        for command in commands:
            self.answer(command, outcome, fence=fence, **more)
        return commands

    def answer(self, command: dict[str, Any], outcome: str, *, fence: int = 0, **more: Any) -> None:
        results = [{"item": target["item"], "outcome": outcome, **more} for target in command["targets"]]
        told = {"v": 1, "boot": str(self.boot), "command": command["id"], "fence": fence or command["fence"]}
        assert self.call("POST", wire.RESULTS_PATH, sent.raw(told | {"results": results}))[0] == 200


class Told:
    """The events of one task, a second apart."""

    def __init__(self, engine: str, task_id: str, start: int, **facts: Any) -> None:
        self.facts = {"engine": engine, "task_id": task_id, **facts}
        self.ts = start

    def __call__(self, kind: str, **more: Any) -> dict[str, Any]:
        self.ts += SECOND
        return {"kind": f"task.{kind}", "ts": self.ts, "attempt": 0, **self.facts, **more}


def fill(brain: Brain) -> dict[str, Any]:
    """Tell it all; what only the teller knows: the batches of one agent with their answers, and what still waits."""
    now = sent.now()
    first = Reporter(brain, BOOT)
    for engine in ENGINES:
        agent = first if engine == ENGINES[0] else Reporter(brain, uuid.uuid4())
        agent.say(*_hello(engine, now), *_fleet(engine, now))
        agent.say(*_states(engine, now - HOUR))
        agent.say(*_history(engine, now))
    _oddities(first, now)
    for place in ("harbor/staging", "island/production"):
        other = Reporter(brain, uuid.uuid4(), place, role="producer")
        other.say(Told("rq", f"elsewhere-{place[:3]}", now, name="elsewhere.run")("enqueued"))
        other.say({"kind": "agent.offline", "ts": now})
    waiting = _operations(first, now)
    return {"batches": first.said, "waiting": waiting, "next_seq": first.seq + 1}


def _hello(engine: str, now: int) -> Iterable[dict[str, Any]]:
    online = sent.online(vault=f"vault-{engine}")
    online["data"]["engines"][0] |= {"name": engine}
    yield {"kind": online["kind"], "ts": now, "data": online["data"]}
    counters = {"created": 120, "accepted": 118, "dropped": {"full": 2}}
    yield {"kind": "agent.heartbeat", "ts": now, "data": {"counters": counters, "clock": 1500}}


def _fleet(engine: str, now: int) -> Iterable[dict[str, Any]]:
    facts = {"host": "box-1", "pid": 41, "version": "5.7.0", "queues": ["mail", "default"], "started": now - HOUR}
    facts |= {"concurrency": {"kind": "prefork", "size": 4}, "code": "shop@1.4", "rss": 90_000_000, "paused": ["mail"]}
    worker = {"engine": engine, "worker": f"{engine}-1@box-1", "ts": now}
    yield {"kind": "worker.online", "data": facts, **worker}
    running = [{"task_id": f"{engine}-started", "name": "shop.slow", "started": now - MINUTE}]
    yield {"kind": "worker.heartbeat", "data": facts | {"running": running}, **worker}
    gone = worker | {"worker": f"{engine}-2@box-2"}
    yield {"kind": "worker.online", "data": facts | {"host": "box-2"}, **gone}
    yield {"kind": "worker.offline", **gone}
    counts = {"depth": 7, "delayed": 2, "in_flight": 1, "dead": 3, "consumers": 2, "oldest": now - MINUTE}
    yield {"kind": "queue.snapshot", "engine": engine, "queue": "mail", "ts": now, "data": {"name": "mail", **counts}}
    yield {
        "kind": "queue.snapshot", "engine": engine, "queue": "default", "ts": now - HOUR,
        "data": {"name": "default", "depth": 0, "exact": False},
    }  # fmt: skip


def _states(engine: str, start: int) -> Iterable[dict[str, Any]]:
    """A task in each state, one that was retried within itself, and a family."""

    def told(what: str, **facts: Any) -> Told:
        usual = {"name": f"shop.{what}", "queue": "mail", "vault": f"vault-{engine}"}
        return Told(engine, f"{engine}-{what}", start, **usual | facts)

    def run(task: Told, *kinds: str, **last: Any) -> Iterable[dict[str, Any]]:
        yield task("enqueued", args="[7, '•••']", kwargs="{'to': 'ä€'}", priority=5, max_attempts=3)
        yield task("received", worker=f"{engine}-1@box-1")
        begun = task.ts + SECOND
        for kind in kinds:
            yield task(kind, run=begun, **(last if kind == kinds[-1] else {}))

    yield told("queued")("enqueued")
    yield told("scheduled")("enqueued", eta=start + 48 * HOUR, expires=start + 72 * HOUR)
    yield from run(told("received"))
    yield from run(told("started"), "started")
    yield from run(told("progress"), "started", "progress", progress={"done": 3, "of": 10})
    yield from run(told("succeeded"), "started", "succeeded", result="{'sent': 3}", runtime_ms=812.25)
    yield from run(told("failed"), "started", "failed", error=ERROR, runtime_ms=30_000.5, truncated=["error"])
    yield from run(told("retrying"), "started", "retrying", error=ERROR, eta=start + 49 * HOUR)
    yield from run(told("cancelled"), "started", "cancelled")
    for kind in ("expired", "rejected", "skipped", "dead_lettered", "lost"):
        yield from run(told(kind), kind)
    again = told("again")
    yield from run(again, "started", "retrying", error=ERROR)
    yield again("started", attempt=1, run=again.ts + SECOND)
    yield again("succeeded", attempt=1, run=again.ts, result="3")
    family = {"root_id": f"{engine}-succeeded", "parent_id": f"{engine}-succeeded", "group_id": f"{engine}-group"}
    yield from run(told("child", schedule="nightly", **family), "started", "succeeded", result="None")
    yield told("repeat", retry_of=f"{engine}-failed")("enqueued")


def _history(engine: str, now: int) -> Iterable[dict[str, Any]]:
    """Tasks of the last days, most of them well."""
    for number in range(12):
        start = now - number * 7 * HOUR - 2 * HOUR
        task = Told(engine, f"{engine}-day-{number}", start, name="shop.nightly", queue="default")
        yield task("started", run=start)
        bad = number % 4 == 3
        yield task("failed" if bad else "succeeded", run=start, runtime_ms=10.0 * number, error=ERROR if bad else None)


def _oddities(agent: Reporter, now: int) -> None:
    """What came late, twice, with holes, unknown, or could not be taken."""
    late = Told("celery", "late", now - HOUR, name="shop.late", queue="mail")
    early = [late("enqueued", args="[1]"), late("started", run=late.ts)]
    agent.say(late("succeeded", run=late.ts - SECOND, result="1"))
    agent.say(*early)
    agent.say({"kind": "task.annotated", "ts": now, "engine": "celery", "task_id": "late", "note": "from later"})
    agent.say({"kind": "broker.moved", "ts": now, "data": {"to": "elsewhere"}})
    agent.say(
        Told("celery", "too-much", now)("enqueued", args="x" * (wire.MAX_STRING + 1)),
        {"kind": "task.enqueued", "ts": now, "engine": "celery"},
    )
    agent.say(Told("celery", "after-a-hole", now - HOUR, name="shop.hole")("enqueued", seq=agent.seq + 40))


def _operations(agent: Reporter, now: int) -> dict[str, Any]:
    """One retry done, one refused to whoever may only look, a cancel that failed, one in doubt, one waiting."""
    failed, path = agent.task("celery-failed"), "tasks/{}/retry/"
    agent.ask("POST", path.format(failed), {"reason": "mail is back"}, headers=KEY)
    agent.settle(new_task_id="celery-failed-2")
    task = Told("celery", "celery-failed-2", now, name="shop.failed", queue="mail", retry_of="celery-failed")
    agent.say(task("enqueued"), task("started", run=task.ts))
    agent.ask("POST", path.format(failed), {}, who="vera", status=403)
    agent.ask("POST", f"tasks/{agent.task('celery-started')}/cancel/", {"reason": "too slow"})
    agent.settle("failed", detail="the process did not answer")
    agent.ask("POST", f"tasks/{agent.task('celery-progress')}/cancel/", {"reason": "wrong customer"})
    [command] = agent.settle("done", fence=99)
    agent.answer(command, "requested")
    targets = [agent.task(f"celery-day-{number}") for number in (3, 7)]
    asked = {"action": "task.retry", "targets": targets, "reason": "all of them"}
    waiting: dict[str, Any] = agent.ask("POST", "operations/", asked, who="adam")
    return waiting
