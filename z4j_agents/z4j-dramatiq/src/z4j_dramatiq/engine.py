"""Dramatiq as an engine: what is added to one broker, and what runs here."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, ClassVar

import dramatiq
from dramatiq import broker as brokers
from dramatiq.middleware import Retries
from z4j_core import registered
from z4j_core.engine import Host, verb

from z4j_dramatiq import pauses
from z4j_dramatiq.facts import ENGINE, now
from z4j_dramatiq.hooks import CANCEL, Hooks
from z4j_dramatiq.steering import HELLO, Steering
from z4j_dramatiq.stores import store_of

#: Microseconds after which a wish to cancel is forgotten: what it was for has ended unseen.
_FORGOTTEN = 30 * 24 * 3600 * 1_000_000


class DramatiqEngine(Steering):
    name: ClassVar[str] = ENGINE

    def __init__(self, broker: Any) -> None:
        self.bound = self.broker = broker
        self.store = store_of(broker)
        self.hooks: Hooks | None = None
        self.dramatiq_worker: Any = None
        self._started = 0

    @classmethod
    def find(cls) -> DramatiqEngine | None:
        """The broker that this process has chosen. Asking Dramatiq would make one."""
        chosen = brokers.global_broker
        return cls(chosen) if chosen is not None else None

    def version(self) -> str:
        return version("dramatiq")

    def install(self, host: Host) -> None:
        if self.host is not None:
            return
        super().install(host)
        self.hooks = Hooks(self, host)
        before = Retries if any(isinstance(one, Retries) for one in self.broker.middleware) else None
        self.broker.add_middleware(self.hooks, before=before)

    def uninstall(self) -> None:
        if self.host is None:
            return
        self.broker.middleware.remove(self.hooks)
        self.broker.actors.pop(HELLO, None)
        for thread in self.dramatiq_worker.consumers.values() if self.dramatiq_worker is not None else ():
            pauses.release(thread)
        self.hooks = None
        super().uninstall()

    @property
    def worker_name(self) -> str:
        return f"{platform.node()}:{os.getpid()}"

    @verb(note="from the worker process itself")
    def worker(self) -> dict[str, Any] | None:
        worker = self.dramatiq_worker
        if worker is None or self.hooks is None:
            return None
        running = list(self.hooks.running.values())
        return {
            "name": self.worker_name,
            "host": platform.node(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": self.consumed(),
            "concurrency": {"kind": "threads", "size": self.size()},
            "running": [{name: one[name] for name in ("task_id", "name", "started")} for one in running],
            "paused": [name for name in self.consumed() if worker.consumers[name].paused],
            "started": self._started,
        }

    def tasks(self) -> Iterable[dict[str, Any]]:
        """Dramatiq gives nothing to an actor beside its arguments."""
        actors = list(self.broker.actors.items())
        return [registered.describe(name, actor.fn, actor) for name, actor in actors if name != HELLO]

    def serve(self, worker: Any) -> None:
        """This process is a worker, and about to start its threads."""
        assert self.host is not None
        self._started = now()
        self.dramatiq_worker = worker
        queues = sorted(self.broker.get_declared_queues())
        if queues and HELLO not in self.broker.actors:
            dramatiq.actor(actor_name=HELLO, queue_name=queues[0], broker=self.broker)(_hello)

    def begin(self) -> None:
        assert self.host is not None
        for key, at in self.host.state.items(CANCEL):
            if int(at) < now() - _FORGOTTEN:
                self.host.state.delete(key)
        self.host.role("worker", self.worker_name)


def _hello() -> None:
    """The actor of ours, whose messages go the way of every message."""
