"""Celery as an engine: what is connected, and what runs here."""

from __future__ import annotations

import os
import platform
import socket
import threading
from typing import Any, ClassVar, Final

import celery
from celery import current_app, signals
from celery.worker import state as worker_state
from z4j_core.engine import Host
from z4j_core.safety import guard, guarded

from z4j_celery.actions import REVOKES, Actions
from z4j_celery.facts import ENGINE, now
from z4j_celery.hooks import Hooks

#: Seconds a worker may take from its first sign of life to its first message.
STARTS: Final = 20.0
_POOLS: Final = {"thread": "threads"}


class CeleryEngine(Actions):
    name: ClassVar[str] = ENGINE

    def __init__(self) -> None:
        self._hooks: Hooks | None = None
        self._consumer: Any = None
        self._started = 0
        self._starting = False
        self._ready = threading.Event()

    def version(self) -> str:
        return str(celery.__version__)

    def install(self, host: Host) -> None:
        if self._hooks is not None:
            return
        super().install(host)
        self._hooks = Hooks(host)
        self._hooks.connect()
        signals.worker_init.connect(self._on_init, weak=False, dispatch_uid="z4j.init")
        signals.worker_ready.connect(self.on_worker, weak=False, dispatch_uid="z4j.worker")
        signals.beat_init.connect(self.on_beat, weak=False, dispatch_uid="z4j.beat")

    def uninstall(self) -> None:
        if self._hooks is None:
            return
        signals.beat_init.disconnect(dispatch_uid="z4j.beat")
        signals.worker_ready.disconnect(dispatch_uid="z4j.worker")
        signals.worker_init.disconnect(dispatch_uid="z4j.init")
        self._hooks.disconnect()
        self._hooks = None
        super().uninstall()

    def worker(self) -> dict[str, Any] | None:
        if self._consumer is None:
            return None
        pool = self._consumer.pool
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self.version(),
            "queues": sorted(self._consumer.app.amqp.queues.consume_from),
            "concurrency": {"kind": self.pool_kind(), "size": pool.num_processes},
            "running": [
                {"task_id": request.id, "name": request.name, "started": round((request.time_start or 0) * 1_000_000)}
                for request in self.running()
            ],
            "started": self._started,
        }

    @property
    def app(self) -> Any:
        return self._consumer.app if self._consumer is not None else current_app._get_current_object()

    @property
    def pool(self) -> Any:
        return self._consumer.pool if self._consumer is not None else None

    def awaits_worker(self) -> bool:
        """Whether this is a worker. One that is still starting is waited for: a command may arrive that early."""
        return self._starting and self._ready.wait(STARTS)

    def pool_kind(self) -> str:
        """prefork, threads, solo, gevent, eventlet: the module that the pool comes from."""
        kind = type(self.pool).__module__.rpartition(".")[2]
        return _POOLS.get(kind, kind)

    @guarded("celery.init")
    def _on_init(self, sender: Any = None, **_: Any) -> None:
        """Nothing has been forked yet: the children will write to the spool of this process, which sends."""
        assert self.host is not None
        self._starting = True
        self.host.role("worker", sender.hostname)

    @guarded("celery.worker")
    def on_worker(self, sender: Any = None, **_: Any) -> None:
        """The worker is about to take its first message. `sender` is its consumer."""
        assert self.host is not None
        self._consumer = sender
        self._started = now()
        self._warm_up()
        self.host.role("worker", sender.hostname)
        self._renew_revokes()
        self._ready.set()

    @guarded("celery.beat")
    def on_beat(self, sender: Any = None, **_: Any) -> None:
        assert self.host is not None
        self.host.role("scheduler", f"beat@{platform.node()}")

    def _warm_up(self) -> None:
        """Make here what the verbs need, so that the agent's thread imports nothing while this process forks."""
        with guard("celery.warm_up"):
            _ = self.app.producer_pool, self.app.control.mailbox, self.app.backend

    def _renew_revokes(self) -> None:
        """A worker forgets on restart what it was told to drop; tasks that wait for their time would then run."""
        assert self.host is not None
        for key, until in self.host.state.items(REVOKES):
            if int(until) > now():
                worker_state.revoked.add(key.removeprefix(REVOKES))
            else:
                self.host.state.delete(key)
