"""What a worker says of itself every ten seconds, so that silence means something."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from z4j_core import registered, safety, wire
from z4j_core.engine import Engine

from z4j_bare.boot import Boot
from z4j_bare.memory import rss

EVERY: Final = 10.0
#: While no engine has said yet what runs here: it may still be starting.
SOON: Final = 1.0
EXPIRE_EVERY: Final = 3600.0


class Heartbeat:
    """An errand of the sender's thread, so that a brain that does not answer is not told how well we are."""

    def __init__(self, boot: Boot, engines: Mapping[str, Engine], code: str = "") -> None:
        self._boot = boot
        self._code = code
        self._engines = engines
        self._worker = ""
        self._next = float("inf")
        self._expire_at = time.monotonic() + EXPIRE_EVERY
        self._online: dict[str, dict[str, Any]] = {}

    def __call__(self) -> None:
        moment = time.monotonic()
        if moment >= self._next and not self._boot.failing:
            self._report()
            if self._online:
                self.count()
            self._next = moment + (EVERY if self._online else SOON)
        if moment >= self._expire_at:
            self._expire_at = moment + EXPIRE_EVERY
            self._boot.spool.expire()

    def begin(self, worker: str) -> None:
        """This is a worker: report what runs here now, and from here on."""
        self._worker = worker
        self._report()
        self._next = time.monotonic() + (EVERY if self._online else SOON)

    def end(self) -> None:
        """As it was last seen: the engine is being taken apart."""
        for engine, facts in self._online.items():
            self._say(wire.Kind.WORKER_OFFLINE, engine, facts | {"running": []})
        if self._online:
            self.count()
        self._boot.put({"kind": wire.Kind.AGENT_OFFLINE})

    def count(self) -> None:
        """Tell the brain what became of the events of this boot."""
        data = {"counters": self._boot.spool.counters(), "clock": self._boot.skew.estimate, "rss": rss()}
        data |= {"witness": self._boot.witness()} if self._worker else {}
        self._boot.put({"kind": wire.Kind.AGENT_HEARTBEAT, "data": data})

    def _report(self) -> None:
        for engine in list(self._engines):
            facts = self._facts(engine)
            if facts is not None:
                known = engine in self._online
                self._online[engine] = facts
                if not known:
                    facts = facts | self._tasks(engine)
                self._say(wire.Kind.WORKER_HEARTBEAT if known else wire.Kind.WORKER_ONLINE, engine, facts)

    def _facts(self, engine: str) -> dict[str, Any] | None:
        with safety.guard(f"{engine}.worker"):
            facts = self._engines[engine].worker()
            if facts is not None:
                return {"rss": rss(), **({"code": self._code} if self._code else {}), **facts}
        return None

    def _tasks(self, engine: str) -> dict[str, Any]:
        with safety.guard(f"{engine}.tasks"):
            if tasks := registered.fitted(dict(task) for task in self._engines[engine].tasks()):
                return {"tasks": tasks}
        return {}

    def _say(self, kind: wire.Kind, engine: str, facts: dict[str, Any]) -> None:
        worker = str(facts.get("name") or self._worker)
        self._boot.put({"kind": kind, "engine": engine, "worker": worker, "data": facts})
